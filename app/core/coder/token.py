"""A token for Coder's API: how long it is valid, and how its scopes limit its user's rights."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, Field

from app.core.coder.shapes import CoderModel

#: With these scopes a token can do everything that counting needs (seen on v2.31.9).
NEEDED_SCOPES: Final = (
    "workspace:read",
    "task:read",
    "template:read",
    "user:read",
    "user:read_personal",
    "organization:read",
)
#: Creates a token for a year, which Coder refuses to owners unless CODER_MAX_ADMIN_TOKEN_LIFETIME allows it.
OF_A_YEAR: Final = "coder tokens create --lifetime 8760h"
#: Allows reading the token's own record, and so its expiry.
EXPIRY_SCOPE: Final = "api_key:read"
#: A check warns this long before the token expires, and an alert is sent this long before.
WARN_BEFORE: Final = timedelta(days=14)
ALERT_BEFORE: Final = timedelta(days=7)
_EVERYTHING: Final = frozenset({"all", "coder:all"})
# Coder moves the expiry at most once an hour (coderd/httpmw/apikey.go); the rest allows for clock differences.
_MOVED_WITHIN: Final = timedelta(minutes=70)
_SAME: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a token expires.

    Attributes:
        at: when it expires if it is not used again.
        lifetime: the time from a use to the expiry; None if Coder does not report it.
        moves: whether each use extends it to a full lifetime; None if that cannot be known yet.
    """

    at: datetime
    lifetime: timedelta | None
    moves: bool | None

    @property
    def final(self) -> datetime | None:
        """Return when the token expires even if it is used; None if use extends it, or may do so."""
        return self.at if self.moves is False else None


class ApiKey(CoderModel):
    """GET /api/v2/users/{user}/keys/{keyid}: Coder's record of a token."""

    created_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    lifetime_seconds: int = 0
    scope: str = ""
    scopes: list[str] = Field(default_factory=list)
    allow_list: list[str] = Field(default_factory=list)

    @property
    def only_some(self) -> bool:
        """Return whether it is limited to some workspaces or templates, by their ids."""
        return bool(self.allow_list) and "*:*" not in self.allow_list

    @property
    def limits(self) -> tuple[str, ...]:
        """Return the scopes that limit it; empty for a token with all rights of its user."""
        scopes = tuple(self.scopes) or ((self.scope,) if self.scope else ())
        return () if _EVERYTHING.intersection(scopes) else scopes

    def expiry(self, now: datetime) -> Expiry | None:
        """Return when it expires, given that it was used just before `now`; None if Coder does not report it.

        Coder extends a token that is used, unless CODER_DISABLE_SESSION_EXPIRY_REFRESH is set. So a token that was just
        used and has less than its lifetime left is not extended.
        """
        if self.expires_at is None:
            return None
        lifetime = timedelta(seconds=self.lifetime_seconds)
        if not lifetime:
            return Expiry(self.expires_at, None, moves=False)
        if self.expires_at - now < lifetime - _MOVED_WITHIN:
            return Expiry(self.expires_at, lifetime, moves=False)
        moved = self.created_at is not None and self.expires_at - self.created_at > lifetime + _SAME
        return Expiry(self.expires_at, lifetime, moves=True if moved else None)


def missing_scopes(limits: tuple[str, ...]) -> list[str]:
    """Return the needed scopes that a limited token lacks; a wildcard such as `user:*` covers its whole kind."""
    return [scope for scope in NEEDED_SCOPES if not {scope, f"{scope.partition(':')[0]}:*"} & set(limits)]
