"""The session of every outgoing request: it goes where it is told, and nowhere else."""

import requests


class WebSession(requests.Session):
    """A session that follows no redirect.

    Attributes:
        patience: seconds that a whole exchange may take, for those that bound it.
    """

    patience: float = 15.0

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find none: even told not to follow, requests would read the whole body and stumble over where it leads."""
