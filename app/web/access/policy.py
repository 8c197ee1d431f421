"""The compiled access settings, and the properties of a request that they depend on."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from flask import Request
from werkzeug.security import check_password_hash

from app.config.settings import Settings
from app.core.access.logins import parse_logins
from app.core.access.origin import client_of, from_this_machine
from app.core.access.people import (
    LONGEST_PASSWORD,
    ApiToken,
    Network,
    Person,
    Role,
    person_of_token,
    user_of_header,
    within,
)

#: A hash without a password, which makes the check of an unknown name take as long as that of a known one.
_OF_NOBODY: Final = f"scrypt:32768:8:1$nobodynobody${'0' * 128}"


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody with a password: a named person, or everybody who shares the password of a role."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    only: str = ""


@dataclass(frozen=True)
class Policy:
    """The access policy.

    Attributes:
        trusts_loopback: whether people on this machine are admins without a login.
        secret: signs the sessions. Without a configured one it is generated, and sessions end with this process.
        people: everybody with a password, by name; for a shared password the name is that of its role.
    """

    secret: str
    people: Mapping[str, Who]
    tokens: Mapping[str, Sequence[ApiToken]]
    proxies: Sequence[Network]
    user_header: str
    proxy_admins: frozenset[str]
    public_url: str
    trusts_loopback: bool

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Compile the settings, which have already been validated."""
        shared = {Role.ADMIN: settings.admin_password_hash, Role.VIEWER: settings.viewer_password_hash}
        people = {role.value: Who(role.value, role, one.get_secret_value()) for role, one in shared.items() if one}
        logins = parse_logins(settings.logins.get_secret_value()) if settings.logins else ()
        people |= {login.name: Who(login.name, login.role, login.password_hash) for login in logins}
        for deployment, table in settings.deployment_settings.items():
            own = parse_logins(table.logins.get_secret_value()) if table.logins else ()
            people |= {login.name: Who(login.name, login.role, login.password_hash, deployment) for login in own}
        secret = settings.session_secret
        return cls(
            secret.get_secret_value() if secret else secrets.token_hex(32),
            people,
            {"": settings.api_tokens, **{name: one.api_tokens for name, one in settings.deployment_settings.items()}},
            settings.proxy_addresses,
            settings.proxy_user_header,
            frozenset(settings.proxy_admins),
            settings.public_url,
            settings.loopback_trusted,
        )

    @property
    def configured(self) -> bool:
        """Return whether anybody can get access from elsewhere."""
        return bool(self.people or any(self.tokens.values()) or (self.proxies and self.user_header))

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def needs_name(self) -> bool:
        """Return whether the login form asks for a name."""
        return any(name not in list(Role) for name in self.people)

    def named(self, name: str) -> Who | None:
        return self.people.get(name)

    def binding(self, who: Who) -> str:
        """Return what a session is bound to: it changes with the password, the role or the deployment."""
        text = f"session\n{who.name}\n{who.role.value}\n{who.password_hash}" + (f"\n{who.only}" if who.only else "")
        return hmac.digest(self.secret.encode(), text.encode(), "sha256").hex()

    def who(self, name: str, password: str) -> Who | None:
        """Return who logs in; None if the password is wrong.

        Args:
            name: empty for a shared password; all of them are then compared, so that timing reveals nothing.
            password: the password as typed.
        """
        if len(password) > LONGEST_PASSWORD:
            return None
        if not name:
            shared = [who for who in self.people.values() if who.name in list(Role)]
            return next(iter([who for who in shared if check_password_hash(who.password_hash, password)]), None)
        who = self.people.get(name)
        right = check_password_hash(who.password_hash if who else _OF_NOBODY, password)
        return who if right else None

    def by_token(self, token: str) -> Person | None:
        found = [(only, person_of_token(tokens, token)) for only, tokens in self.tokens.items()]
        return next((replace(person, only=only) for only, person in found if person), None)

    def by_proxy(self, request: Request) -> Person | None:
        """Return the user that a trusted proxy names; the header is ignored for other clients."""
        if not self.user_header or not self.from_proxy(request):
            return None
        name = user_of_header(request.headers.get(self.user_header, ""))
        if name is None:
            return None
        return Person(name, Role.ADMIN if name in self.proxy_admins else Role.VIEWER, "proxy")

    def from_proxy(self, request: Request) -> bool:
        return within(request.remote_addr or "", self.proxies)

    def from_this_machine(self, request: Request) -> bool:
        """Return whether a request appears to come from a person on this machine; never for a configured proxy."""
        if self.from_proxy(request) or (self.user_header and self.user_header in request.headers):
            return False
        host = request.environ.get("HTTP_HOST", "")
        protocol = request.environ.get("SERVER_PROTOCOL", "")
        return from_this_machine(request.remote_addr or "", host, protocol, request.headers.keys())

    def client(self, request: Request) -> str:
        """Return the client to whom failed logins are attributed."""
        return client_of(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self.proxies)
