"""The one exception that a person's input can cause."""


class PushforwardError(ValueError):
    """Bad input, said in one line: what, where, and the remedy. The command line prints it and exits with 2."""
