"""The failures a user can meet, as types.

Belongs here: exception types that carry a one-line message and its remedy. Does not belong
here: handling (retry policies live with the assets, exit codes with the command line).
"""


class OsmoscopeError(Exception):
    """A failure with one clear line and what to do about it.

    Attributes:
        message: what happened, in one line, without secrets.
        remedy: what the reader can do about it; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message} Remedy: {remedy}")
        self.message = message
        self.remedy = remedy


class PermanentFailure(OsmoscopeError):
    """Trying again gives the same answer: never retried."""


class TransientFailure(OsmoscopeError):
    """Trying again later may help: retried by the one retry policy of the step."""


class SettingsError(PermanentFailure):
    """A setting is unknown or has a value that is not allowed."""
