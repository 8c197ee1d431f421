"""The account and the token of the API client: the token's expiry, and which roles other users have."""

import re
from typing import Final

from app.coder.errors import CoderApiError, Failure
from app.coder.http import CoderHttp
from app.core.coder.settings import UserList
from app.core.coder.token import ApiKey

_API: Final = "/api/v2"
_DENIED: Final = frozenset({Failure.FORBIDDEN, Failure.NOT_FOUND, Failure.REJECTED})
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class CoderAccount:
    """Requests about the client's own account; every method raises CoderApiError, and no other error."""

    def __init__(self, http: CoderHttp, token: str) -> None:
        """Store the connection, and only the part of the token before its first dash: a name that gives no access."""
        self._http = http
        name, dash, _ = token.partition("-")
        self._key = name if dash and _ID.fullmatch(name) else ""

    def key(self) -> ApiKey:
        """Return Coder's record of the token."""
        if not self._key:
            raise self._http.failure(Failure.NOT_FOUND, "the token has no part before a dash, by which Coder names it")
        try:
            return self._http.read(ApiKey.model_validate_json, f"{_API}/users/me/keys/{self._key}")
        except CoderApiError as error:
            failure = self._http.failure(error.kind, str(error).replace(self._key, "…"), error.retry_after)
        # Raised outside the handler, so that the path with the name is not attached as context.
        raise failure

    def someone_has_role(self, role: str) -> bool:
        """Return whether an active user that this account may see has a site role."""
        found = self._http.read(
            UserList.model_validate_json, f"{_API}/users", {"q": f"role:{role} status:active", "limit": 1}
        )
        return any(role in user.role_names for user in found.users)
