"""The one exception for what a user can put right."""


class InputError(ValueError):
    """A bad argument, file or data set; the message names the value and the way out.

    The command line prints the message on one line and ends with exit code 2.
    """
