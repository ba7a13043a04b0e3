"""The exceptions a caller may want to tell apart."""


class InputError(ValueError):
    """A bad argument, file or data set; the message names the value and the way out.

    The command line prints the message on one line and ends with exit code 2.
    """


class OutOfTime(Exception):  # noqa: N818 - it says that work is left, not that something is wrong
    """The deadline of :func:`defective.progress.until` has passed; what is finished is kept, and the same call goes on from it."""

    def __init__(self) -> None:
        super().__init__("the time is up: finished work is kept, the same call goes on from it")
