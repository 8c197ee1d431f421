"""How an attempt can end besides being accepted or refused."""


class PutOffError(Exception):
    """The attempt is postponed.

    Attributes:
        seconds: for how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("put off")
        self.seconds = seconds


class NotWantedError(Exception):
    """The message is no longer relayed; the text says why."""
