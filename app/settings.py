"""Every setting with its type, default and checks. config/awb-meter.toml documents them for people."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from app.core.limits import INCLUDED_BUILDS
from app.core.period import PeriodRule
from app.core.threshold import Threshold

#: Settings whose values are never shown; each may also come from a file.
SECRET_FIELDS: Final = (
    "webhook_secret",
    "webhook_secret_previous",
    "redis_url",
    "slack_webhook_url",
    "smtp_url",
    "coder_token",
)
DEPLOYMENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SHORTEST_SECRET: Final = 16
_LIMIT_HINT: Final = "must be a number of builds, 0, or unlimited"
_EMAIL: Final = ("smtp_url", "email_from", "email_to")
_DEFAULT_THRESHOLDS: Final[tuple[str | int, ...]] = ("75%", "90%", "100%", "+10%")


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _limit(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "unlimited":
            return -1
        if not re.fullmatch(r"[+-]?[0-9_]{1,20}", text):
            raise ValueError(_LIMIT_HINT)
    return value


def _split(url: str) -> SplitResult:
    """Split a URL; empty where it is none, for the library's own error may repeat a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return urlsplit("")
    return parts


CommaList = Annotated[list[str], BeforeValidator(_comma_list)]
Thresholds = Annotated[list[str | int], BeforeValidator(_comma_list)]


class Settings(BaseModel):
    """Every setting, documented in config/awb-meter.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bind: str = "127.0.0.1:8787"
    web_processes: int = Field(1, ge=1, le=64)
    web_threads: int = Field(8, ge=1, le=256)
    max_body_bytes: int = Field(262_144, ge=16_384, le=16_777_216)
    public_url: str = ""
    data_dir: Path = Path("data")
    redis_url: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    webhook_secret_previous: SecretStr | None = None
    deployment: str = "default"
    limit: Annotated[int, BeforeValidator(_limit)] = INCLUDED_BUILDS
    soft_limit: int | None = Field(None, ge=0)
    thresholds: Thresholds = Field(default_factory=lambda: list(_DEFAULT_THRESHOLDS))
    repeat_days: int = Field(0, ge=0, le=365)
    period: str = "lifetime"
    ai_templates: CommaList = Field(default_factory=list)
    rules: Path | None = None
    slack_webhook_url: SecretStr | None = None
    smtp_url: SecretStr | None = None
    email_from: str = ""
    email_to: CommaList = Field(default_factory=list)
    coder_url: str = ""
    coder_token: SecretStr | None = None
    coder_ca_file: Path | None = None
    reconcile_minutes: int = Field(10, ge=1, le=1440)
    silence_hours: int = Field(24, ge=1, le=8760)
    keep_days: int = Field(400, ge=1, le=3660)
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    grace_seconds: int = Field(20, ge=1, le=600)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean(cls, value: Any) -> Any:
        # No setting is one, and pydantic would read true as the number 1.
        if isinstance(value, bool):
            raise ValueError("takes no true or false")  # noqa: TRY004 - pydantic wants ValueError
        return value

    @field_validator(*SECRET_FIELDS, mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("bind")
    @classmethod
    def _bind(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not separator or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - highest port
            raise ValueError("must be HOST:PORT, such as 127.0.0.1:8787")
        return value

    @field_validator("limit")
    @classmethod
    def _limit(cls, value: int) -> int:
        if value < -1:
            raise ValueError(_LIMIT_HINT)
        return value

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, value: list[str | int]) -> list[str | int]:
        for item in value:
            Threshold.parse(item)
        return value

    @field_validator("period")
    @classmethod
    def _period(cls, value: str) -> str:
        PeriodRule.parse(value)
        return value

    @field_validator("deployment")
    @classmethod
    def _deployment(cls, value: str) -> str:
        if not DEPLOYMENT_NAME.fullmatch(value):
            raise ValueError("must be lower-case letters, digits and dashes, at most 40")
        return value

    @field_validator("coder_url", "public_url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = _split(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
            raise ValueError("must be a URL such as https://coder.example.com, without user or password")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        parts = _split(value.get_secret_value()) if value else None
        if parts and not (parts.scheme in ("redis", "rediss") and parts.hostname):
            if parts.scheme == "unix" and parts.path:
                return value
            raise ValueError("must be redis://:password@HOST:PORT/0, rediss://… for TLS, or unix:///path/of/the.sock")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        parts = _split(value.get_secret_value()) if value else None
        if parts and not (parts.scheme in ("smtp", "smtps") and parts.hostname):
            raise ValueError("must be smtp://user:password@HOST:587; in user and password, write @ as %40 and / as %2F")
        return value

    @field_validator("email_from", "email_to")
    @classmethod
    def _addresses(cls, value: str | list[str]) -> str | list[str]:
        for address in [value] if isinstance(value, str) else value:
            if address and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address):
                raise ValueError("takes plain addresses such as ops@example.com")
        return value

    @field_validator("slack_webhook_url")
    @classmethod
    def _slack(cls, value: SecretStr | None) -> SecretStr | None:
        parts = _split(value.get_secret_value()) if value else None
        if parts and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("must be the whole URL of a Slack incoming webhook, https://hooks.slack.com/services/…")
        return value

    @field_validator("webhook_secret", "webhook_secret_previous")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"must have at least {SHORTEST_SECRET} characters; try: openssl rand -hex 24")
        return value

    @model_validator(mode="after")
    def _email(self) -> Self:
        problem = incomplete_email(self.__dict__)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def bind_host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def bind_port(self) -> int:
        return int(self.bind.rpartition(":")[2])

    @property
    def on_loopback(self) -> bool:
        try:
            return self.bind_host == "localhost" or ip_address(self.bind_host).is_loopback
        except ValueError:  # another name: 127.example.com may be anywhere
            return False


def incomplete_email(values: Mapping[str, Any]) -> str:
    """Say what is missing for e-mail; empty when all of it is there, or none."""
    missing = [key for key in _EMAIL if not values.get(key)]
    if not missing or len(missing) == len(_EMAIL):
        return ""
    return f"e-mail needs smtp_url, email_from and email_to together; missing: {', '.join(missing)}"


def secret_texts(settings: Settings) -> Iterator[str]:
    """Yield every text that must appear in no log: the secrets, the passwords in URLs, and the Slack URL's path."""
    for key in SECRET_FIELDS:
        secret: SecretStr | None = getattr(settings, key)
        if secret is None:
            continue
        yield secret.get_secret_value()
        if key.endswith("_url"):
            parts = _split(secret.get_secret_value())
            yield from (parts.password or "", unquote(parts.password or ""))
        if key == "slack_webhook_url":
            yield parts.path
