"""How an attempt may end besides having been taken or refused."""


class PutOffError(Exception):
    """It is not tried now.

    Attributes:
        seconds: until when.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("put off")
        self.seconds = seconds


class NotWantedError(Exception):
    """Nobody wants it any more; the text says why."""
