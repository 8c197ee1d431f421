"""The configured access, compiled; and what of a request it looks at."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Request
from werkzeug.security import check_password_hash

from app.config.settings import Settings
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


@dataclass(frozen=True)
class Policy:
    """Who gets in.

    Attributes:
        trusts_loopback: people on this machine are admins without a login.
        secret: signs the sessions. Without a configured one it is this process's own, and its sessions end with it.
        passwords: hashes by role, the admin's first.
    """

    secret: str
    passwords: Mapping[Role, str]
    tokens: Sequence[ApiToken]
    proxies: Sequence[Network]
    user_header: str
    proxy_admins: frozenset[str]
    public_url: str
    trusts_loopback: bool

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Compile the settings, which were checked when they were read."""
        named = {Role.ADMIN: settings.admin_password_hash, Role.VIEWER: settings.viewer_password_hash}
        passwords = {role: hashed.get_secret_value() for role, hashed in named.items() if hashed}
        secret = settings.session_secret
        return cls(
            secret.get_secret_value() if secret else secrets.token_hex(32),
            passwords,
            settings.api_tokens,
            settings.proxy_addresses,
            settings.proxy_user_header,
            frozenset(settings.proxy_admins),
            settings.public_url,
            settings.loopback_trusted,
        )

    @property
    def configured(self) -> bool:
        """Tell whether anybody gets in from elsewhere."""
        return bool(self.passwords or self.tokens or (self.proxies and self.user_header))

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    def binding(self, role: Role) -> str:
        """Return what a session of this role is bound to: another password, another binding."""
        text = f"session\n{role.value}\n{self.passwords.get(role, '')}"
        return hmac.digest(self.secret.encode(), text.encode(), "sha256").hex()

    def role_of(self, password: str) -> Role | None:
        """Return whose password this is; every one is tried, so that the time tells nothing."""
        if len(password) > LONGEST_PASSWORD:
            return None
        found = [role for role, hashed in self.passwords.items() if check_password_hash(hashed, password)]
        return found[0] if found else None

    def by_token(self, token: str) -> Person | None:
        return person_of_token(self.tokens, token)

    def by_proxy(self, request: Request) -> Person | None:
        """Return the user that a trusted proxy names; the header of anybody else is not read."""
        if not self.user_header or not self.from_proxy(request):
            return None
        name = user_of_header(request.headers.get(self.user_header, ""))
        if name is None:
            return None
        return Person(name, Role.ADMIN if name in self.proxy_admins else Role.VIEWER, "proxy")

    def from_proxy(self, request: Request) -> bool:
        return within(request.remote_addr or "", self.proxies)

    def from_this_machine(self, request: Request) -> bool:
        """Tell whether a request looks like that of a person on this machine; a configured proxy's never does."""
        if self.from_proxy(request) or (self.user_header and self.user_header in request.headers):
            return False
        host = request.environ.get("HTTP_HOST", "")
        protocol = request.environ.get("SERVER_PROTOCOL", "")
        return from_this_machine(request.remote_addr or "", host, protocol, request.headers.keys())

    def client(self, request: Request) -> str:
        """Return whose failures these are."""
        return client_of(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self.proxies)
