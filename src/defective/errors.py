"""The exceptions that a caller may want to distinguish."""


class InputError(ValueError):
    """A bad argument, file or data set; the message names the value and the remedy.

    The command line prints the message on one line and ends with exit code 2.
    """


class OutOfTime(Exception):  # noqa: N818 - it says that work is left, not that something is wrong
    """The deadline of :func:`defective.progress.until` has passed; finished work is stored, and the same call resumes."""

    def __init__(self) -> None:
        super().__init__("the time is up: finished work is stored, and the same call resumes")
