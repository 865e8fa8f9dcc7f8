"""The one exception that users see: a line that says what is wrong and what to do."""


class PasstimeError(Exception):
    """Something the user can act on.

    Its text is one line; the CLI and the asv plugin print that line, without a trace-back, and exit nonzero.
    """
