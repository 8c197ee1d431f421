"""All settings with their defaults. config/awb-meter.toml documents them."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.config.perdeployment import PerDeployment
from app.config.sizes import Size
from app.config.together import incomplete
from app.config.types import (
    Address,
    DeploymentName,
    DeploymentNames,
    FilePath,
    HeaderName,
    LongSecret,
    Networks,
    OptionalAddress,
    OptionalHost,
    PasswordHash,
    People,
    PublicUrl,
    RedisPrefix,
    RedisUrl,
    Tables,
    Token,
    WebUrl,
    Words,
)
from app.core.access.origin import is_public
from app.core.relay.forward import Forward

#: Settings whose values are never shown; each may also come from a file.
SECRET_FIELDS: Final = (
    "webhook_secret",
    "webhook_secret_previous",
    "redis_url",
    "redis_sentinel_password",
    "slack_webhook_url",
    "slack_bot_token",
    "slack_signing_secret",
    "smtp_url",
    "notify_webhook_url",
    "notify_webhook_secret",
    "apprise_urls",
    "coder_token",
    "admin_password_hash",
    "viewer_password_hash",
    "logins",
    "session_secret",
    "feed_token",
    "relay_secret",
)
#: Relative to the current directory of the command.
DEFAULT_DATA_DIR: Final = "data"


class Settings(PerDeployment):
    """Every setting, documented in config/awb-meter.toml."""

    bind: Address = "127.0.0.1:8787"
    web_processes: int = Field(1, ge=1, le=64)
    web_threads: int = Field(8, ge=1, le=256)
    max_body_bytes: int = Field(262_144, ge=16_384, le=16_777_216)
    max_connections_per_address: int = Field(100, ge=0, le=10_000)
    public_url: PublicUrl = ""
    data_dir: FilePath = Path(DEFAULT_DATA_DIR)
    redis_url: RedisUrl = None
    redis_prefix: RedisPrefix = ""
    redis_ca_file: FilePath | None = None
    redis_cert_file: FilePath | None = None
    redis_key_file: FilePath | None = None
    redis_server_name: OptionalHost = ""
    redis_sentinel_user: str = ""
    redis_sentinel_password: SecretStr | None = None
    redis_wait_replicas: int = Field(0, ge=0, le=10)
    redis_wait_ms: int = Field(1000, ge=10, le=1500)
    deployment: DeploymentName = "default"
    deployments: DeploymentNames = Field(default_factory=list)
    max_deployments: int = Field(20, ge=0, le=1000)
    deployment_settings: Annotated[dict[DeploymentName, PerDeployment], Tables] = Field(default_factory=dict)
    rules: FilePath | None = None
    slack_signing_secret: Token = None
    slack_admins: Words = Field(default_factory=list)
    slack_api_url: WebUrl = "https://slack.com/api"
    ca_file: FilePath | None = None
    reconcile_minutes: int = Field(10, ge=1, le=1440)
    trust_loopback: Literal["auto", "always", "never"] = "auto"
    admin_password_hash: PasswordHash = None
    viewer_password_hash: PasswordHash = None
    session_secret: LongSecret = None
    session_hours: int = Field(12, ge=1, le=720)
    proxy_addresses: Networks = ()
    proxy_user_header: HeaderName = ""
    proxy_admins: People = Field(default_factory=list)
    metrics_bind: OptionalAddress = ""
    metrics_user_names: bool = False
    relay: Literal["off", "email", "slack"] = "off"
    relay_keep_minutes: int = Field(120, ge=20, le=1440)
    relay_limit: int = Field(30, ge=0, le=1000)
    relay_limit_minutes: int = Field(10, ge=1, le=60)
    forward: Annotated[list[Forward], Tables] = Field(default_factory=list, max_length=20)
    forward_keep_hours: int = Field(72, ge=24, le=720)
    relay_secret: LongSecret = None
    keep_days: int = Field(400, ge=1, le=3660)
    keep_message_days: int = Field(400, ge=1, le=3660)
    keep_relay_days: int = Field(90, ge=1, le=3660)
    keep_audit_days: int = Field(730, ge=1, le=3660)
    redis_budget: Size = 0
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    grace_seconds: int = Field(20, ge=1, le=600)

    @field_validator(
        *(set(SECRET_FIELDS) - set(PerDeployment.model_fields)),
        "ca_file", "redis_ca_file", "redis_cert_file", "redis_key_file",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("forward")
    @classmethod
    def _distinct(cls, value: list[Forward]) -> list[Forward]:
        names = [forward.name for forward in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two tables have the name “{twice}”; give each its own")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = incomplete(self.__dict__)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def bind_host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def bind_port(self) -> int:
        return int(self.bind.rpartition(":")[2])

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of `metrics_bind`; None if /metrics is on `bind`."""
        host, _, port = self.metrics_bind.rpartition(":")
        return (host.strip("[]"), int(port)) if host else None

    @property
    def base_path(self) -> str:
        """The path under which the meter is published, such as /awb; empty without one."""
        return urlsplit(self.public_url).path

    @property
    def configured_deployments(self) -> list[str]:
        """The default deployment, and the others that are configured."""
        return list(dict.fromkeys([self.deployment, *self.deployments, *self.deployment_settings]))

    @property
    def on_loopback(self) -> bool:
        try:
            return self.bind_host == "localhost" or ip_address(self.bind_host).is_loopback
        except ValueError:  # another name: 127.example.com may be anywhere
            return False

    @property
    def exposed(self) -> bool:
        """Return whether a setting suggests that others can reach this service, perhaps through a proxy here."""
        passwords = (self.admin_password_hash, self.viewer_password_hash, self.logins)
        ways_in = (*passwords, self.api_tokens, self.proxy_addresses)
        return is_public(self.public_url) or any(ways_in)

    @property
    def relaying(self) -> bool:
        """Return whether anything is relayed or forwarded."""
        return self.relay != "off" or bool(self.forward)

    @property
    def loopback_trusted(self) -> bool:
        """Return whether people on this machine are admins without a login."""
        return self.trust_loopback == "always" or (self.trust_loopback == "auto" and not self.exposed)
