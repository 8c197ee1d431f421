"""Users, their tokens and groups, and the organizations. Every user is a member of every organization."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from app.simulator.api import views
from app.simulator.api.query import BadRequestError
from app.simulator.api.request import AnswerError, Request, not_found
from app.simulator.deployment import Deployment
from app.simulator.model import Role, User

#: The longest lifetime of an owner's token (CODER_MAX_ADMIN_TOKEN_LIFETIME) and of everybody else's.
_OWNERS_LONGEST: Final = timedelta(hours=168)
_LONGEST: Final = timedelta(hours=876_600)
_NANOSECOND: Final = 1_000_000_000


@dataclass
class Token:
    """One token. Each use extends it: it expires `lifetime` after its last use.

    Attributes:
        enforced: whether the token is refused once it has expired; otherwise the expiry is only reported.
    """

    text: str
    user: User
    created_at: datetime
    lifetime: timedelta
    last_used: datetime
    enforced: bool = False
    name: str = "awb-meter"

    @property
    def id(self) -> str:
        return self.text.partition("-")[0]

    @property
    def expires_at(self) -> datetime:
        return self.last_used + self.lifetime


@dataclass
class Tokens:
    """The tokens of a deployment, by their text."""

    world: Deployment
    _by_text: dict[str, Token] = field(default_factory=dict)

    def make(self, user: User, lifetime: timedelta | None = None) -> Token:
        text = f"{secrets.token_hex(5)}-{secrets.token_hex(11)}"
        now, longest = self.world.now, longest_lifetime(user)
        token = Token(text, user, now, min(lifetime or longest, longest), now, enforced=lifetime is not None)
        self._by_text[text] = token
        return token

    def use(self, text: str) -> Token | None:
        """Return a valid token and record that it was used; None if the token is unknown or has expired."""
        token = self._by_text.get(text)
        if token is None or (token.enforced and token.expires_at < self.world.now):
            return None
        token.last_used = max(token.last_used, self.world.now)
        return token

    def find(self, token_id: str, user: User) -> Token | None:
        return next((one for one in self._by_text.values() if one.id == token_id and one.user == user), None)

    def revoke(self, text: str) -> None:
        del self._by_text[text]


def longest_lifetime(user: User) -> timedelta:
    return _OWNERS_LONGEST if Role.OWNER in user.roles else _LONGEST


def user_of(world: Deployment, request: Request, *, others: bool) -> User:
    """Return the user named in a path: the caller, or any user if the caller may read others.

    Raises:
        AnswerError: 404 for an unknown user, or one that the caller may not read.
    """
    name = request.parts[0]
    if name == "me":
        return request.caller
    user = next((user for user in world.users if name in {user.id, user.username}), None)
    if user is None or not (others or user == request.caller):
        raise not_found()
    return user


def api_key(tokens: Tokens, user: User, token_id: str) -> dict[str, Any]:
    """Return Coder's view of a token, found by the part before its dash."""
    token = tokens.find(token_id, user)
    if token is None:
        raise not_found()
    return {
        "id": token.id,
        "user_id": user.id,
        "last_used": views.moment(token.last_used),
        "expires_at": views.moment(token.expires_at),
        "created_at": views.moment(token.created_at),
        "updated_at": views.moment(token.created_at),
        "login_type": "token",
        "scope": "all",
        "scopes": ["coder:all"],
        "token_name": token.name,
        "lifetime_seconds": int(token.lifetime.total_seconds()),
        "allow_list": ["*:*"],
    }


def token_config(user: User) -> dict[str, Any]:
    return {"max_token_lifetime": int(longest_lifetime(user).total_seconds()) * _NANOSECOND}


def make_token(tokens: Tokens, user: User, body: Any) -> dict[str, Any]:
    """Answer POST /users/{user}/keys/tokens; lifetimes are in nanoseconds."""
    wanted = body.get("lifetime") if isinstance(body, Mapping) else None
    if wanted is not None and not isinstance(wanted, int):
        raise BadRequestError("Request body must be valid JSON.", ("lifetime", "is no number"))
    lifetime = timedelta(seconds=wanted / _NANOSECOND) if wanted else None
    longest = longest_lifetime(user)
    if lifetime and lifetime > longest:
        hours = f"lifetime must be less than {longest // timedelta(hours=1)}h0m0s"
        raise AnswerError(HTTPStatus.BAD_REQUEST, "Failed to validate create API key request.", hours)
    return {"key": tokens.make(user, lifetime).text}


def organizations(world: Deployment) -> list[dict[str, Any]]:
    at = views.moment(world.now)
    return [
        {
            "id": one.id,
            "name": one.name,
            "display_name": one.display_name,
            "description": "",
            "icon": "",
            "created_at": at,
            "updated_at": at,
            "is_default": one.id == world.organization_id,
        }
        for one in world.organizations
    ]


def groups(world: Deployment) -> list[dict[str, Any]]:
    """Answer GET /groups: each organization has only the group Everyone. The endpoint needs a licence."""
    licence = world.licence
    if licence is None or licence.expired(world.now):
        raise AnswerError(HTTPStatus.FORBIDDEN, "Template RBAC is a Premium feature. Contact sales!")
    return [
        {
            "id": one.id,
            "name": "Everyone",
            "display_name": "",
            "organization_id": one.id,
            "organization_name": one.name,
            "members": [views.user(world, user) for user in world.users],
        }
        for one in world.organizations
    ]
