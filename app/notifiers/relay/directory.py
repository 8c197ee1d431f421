"""Errors in the settings of relays and forwards that can be detected before anything is sent."""

from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from app.config.settings import Settings
from app.core.relay.forward import Forward
from app.core.relay.rule import RelayRule, Way
from app.net.session import is_here
from app.notifiers.directory import smtp_server
from app.notifiers.relay import forwarder

_PATH = "/v1/webhook"


def problems(settings: Settings, rules: Sequence[RelayRule] = ()) -> list[str]:
    """Return the errors, each with its table and key but never with the value of a secret."""
    found = list(_people(settings, rules))
    for forward in settings.forward:
        found += [f"forward “{forward.name}”: {problem}" for problem in forwarder.problems(forward)]
        found += [f"forward “{forward.name}”: {problem}" for problem in _leads_back(settings, forward)]
    return found


def _people(settings: Settings, rules: Sequence[RelayRule]) -> Iterator[str]:
    if settings.relay == "off":
        return
    try:
        smtp_server(settings)
    except ValueError as error:
        yield f"AWB_SMTP_URL: {error}"
    for rule in rules:
        if rule.relay is Way.SLACK and not settings.slack_bot_token:
            yield f"relay “{rule.name}” of the rules: relay = slack needs AWB_SLACK_BOT_TOKEN"


def _leads_back(settings: Settings, forward: Forward) -> Iterator[str]:
    target = urlsplit(forward.url.get_secret_value())
    public = urlsplit(settings.public_url)
    to_public = bool(public.hostname) and _place(target) == _place(public)
    to_bind = is_here(target.geturl()) and _place(target)[1] == settings.bind_port
    if (to_public or to_bind) and target.path.removeprefix(settings.base_path).startswith(_PATH):
        yield "url: it leads back to this meter; name the other webhook"


def _place(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").rstrip(".").lower(), parts.port or (443 if parts.scheme == "https" else 80)
