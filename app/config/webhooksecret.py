"""The webhook secret that is generated at the first start."""

from pydantic import SecretStr

from app.config.keptsecret import kept_secret
from app.config.settings import Settings


def ensure_webhook_secret(settings: Settings) -> Settings:
    """Return settings with a webhook secret: the configured one, or else that of the data directory.

    Raises:
        ConfigError: the secret can neither be read nor written.
    """
    if settings.webhook_secret:
        return settings
    secret = kept_secret(settings.data_dir, "webhook-secret", "AWB_WEBHOOK_SECRET")
    return settings.model_copy(update={"webhook_secret": SecretStr(secret)})
