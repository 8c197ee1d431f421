"""The texts of a configuration that must never be logged."""

from collections.abc import Iterator
from urllib.parse import quote, unquote

from pydantic import SecretStr

from app.config.perdeployment import PerDeployment
from app.config.settings import SECRET_FIELDS, Settings
from app.config.types import split_url
from app.core.access.logins import parse_logins
from app.core.text.entries import split_urls
from app.core.text.redisurl import names_several, password_in


def secret_texts(settings: Settings) -> Iterator[str]:
    """Yield every text that must never be logged: the secrets, the passwords in URLs, and the paths of webhooks."""
    yield from _secrets(settings)
    for table in settings.deployment_settings.values():
        yield from _secrets(table)
    for forward in settings.forward:
        url = forward.url.get_secret_value()
        yield url
        parts = split_url(url)
        yield from (parts.path, parts.query, parts.password or "", unquote(parts.password or ""))


def _secrets(settings: PerDeployment) -> Iterator[str]:
    for key in SECRET_FIELDS:
        secret: SecretStr | None = getattr(settings, key, None)
        if secret is None:
            continue
        yield secret.get_secret_value()
        if key == "redis_url" and names_several(secret.get_secret_value()):
            password = password_in(secret.get_secret_value())
            yield from (password, quote(password))
        elif key.endswith("_url"):
            parts = split_url(secret.get_secret_value())
            yield from (parts.password or "", unquote(parts.password or ""))
            if key in ("slack_webhook_url", "notify_webhook_url"):
                yield parts.path
        if key == "logins":
            yield from (login.password_hash for login in parse_logins(secret.get_secret_value()))
        if key == "apprise_urls":
            yield from split_urls(secret.get_secret_value())
