"""How an attempt can end other than by being accepted or refused."""


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
