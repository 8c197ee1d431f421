"""The settings that each deployment may have in its table [deployment_settings.<name>]."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from app.config.types import (
    ApiTokens,
    DaysByLevel,
    Digests,
    FilePath,
    HeloName,
    HookUrl,
    LimitSetting,
    LoginList,
    LongSecret,
    MailAddress,
    MailAddresses,
    QuietHours,
    ReceiverGlobList,
    SlackHookUrl,
    SmtpUrl,
    Tables,
    Thresholds,
    Token,
    WebUrl,
    Words,
    ZoneName,
)
from app.core.alert.routing import Route
from app.core.alert.scope import BurstRule, ScopeRule
from app.core.limit.limits import INCLUDED_BUILDS
from app.core.limit.period import PeriodKind, PeriodRule
from app.core.limit.threshold import Threshold

#: Boolean settings.
FLAGS: Final = ("dry_run", "forecast_alerts", "metrics_user_names")
#: Settings that determine where messages are sent.
RECEIVER_FIELDS: Final = frozenset(
    {
        "slack_webhook_url",
        "slack_bot_token",
        "slack_channel",
        "smtp_url",
        "email_from",
        "email_to",
        "notify_webhook_url",
        "apprise_urls",
    }
)
#: Settings that belong to one deployment: others do not inherit them from outside their table.
OWN: Final = ("coder_url", "coder_token", "coder_ca_file", "logins", "api_tokens", "feed_token")
_DEFAULT_THRESHOLDS: Final = tuple(Threshold.parse(text) for text in ("75%", "90%", "100%", "+10%"))


class Texts(BaseModel):
    """The `[texts]` table: an admin's own texts instead of the built-in ones, as Jinja templates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headline: str = ""
    summary: str = ""
    meaning: str = ""


class PerDeployment(BaseModel):
    """Settings of one deployment. Those missing in its table are inherited from outside, except OWN."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook_secret: LongSecret = None
    webhook_secret_previous: LongSecret = None
    limit: LimitSetting = INCLUDED_BUILDS
    soft_limit: int | None = Field(None, ge=0)
    period: PeriodRule = PeriodRule(PeriodKind.LIFETIME)
    ai_templates: Words = Field(default_factory=list)
    thresholds: Thresholds = Field(default_factory=lambda: list(_DEFAULT_THRESHOLDS))
    repeat_days: int = Field(0, ge=0, le=365)
    repeat_days_by_level: DaysByLevel = Field(default_factory=dict)
    forecast_alerts: bool = True
    scopes: Annotated[list[ScopeRule], Tables] = Field(default_factory=list)
    burst: Annotated[BurstRule, Tables] = BurstRule()
    digest: Digests = Field(default_factory=list)
    dry_run: bool = False
    time_zone: ZoneName = "UTC"
    quiet_hours: QuietHours = Field(default_factory=list)
    routes: Annotated[list[Route], Tables] = Field(default_factory=list)
    fallback: ReceiverGlobList = ()
    fallback_minutes: int = Field(30, ge=1, le=1440)
    texts: Annotated[Texts, Tables] = Texts()
    slack_webhook_url: SlackHookUrl = None
    slack_bot_token: Token = None
    slack_channel: Words = Field(default_factory=list)
    smtp_url: SmtpUrl = None
    smtp_helo: HeloName = ""
    email_from: MailAddress = None
    email_to: MailAddresses = Field(default_factory=list)
    notify_webhook_url: HookUrl = None
    notify_webhook_secret: LongSecret = None
    apprise_urls: SecretStr | None = None
    coder_url: WebUrl = ""
    coder_token: Token = None
    coder_ca_file: FilePath | None = None
    silence_hours: int = Field(24, ge=1, le=8760)
    logins: LoginList = None
    api_tokens: ApiTokens = ()
    feed_token: LongSecret = None

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        # Pydantic would accept true as the number 1.
        if isinstance(value, bool) and info.field_name not in FLAGS:
            raise ValueError("takes no true or false")
        return value

    @field_validator(
        "webhook_secret",
        "webhook_secret_previous",
        "slack_webhook_url",
        "slack_bot_token",
        "smtp_url",
        "notify_webhook_url",
        "notify_webhook_secret",
        "apprise_urls",
        "coder_token",
        "coder_ca_file",
        "logins",
        "feed_token",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value
