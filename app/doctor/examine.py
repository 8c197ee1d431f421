"""Checks of a whole installation, each with a stable id, an outcome and a hint; printed by `awb doctor`."""

from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import redis
import requests

from app import clock
from app.config.load import Config
from app.config.perdeployment import RECEIVER_FIELDS
from app.config.settings import Settings
from app.core.alert.refusal import DOCTOR
from app.core.finding import Finding, Result
from app.doctor.access import examine_access
from app.doctor.counting import examine_counting
from app.doctor.parts import examine_parts, examine_prefix
from app.doctor.redis import examine_redis
from app.doctor.relaying import examine_relaying
from app.net import trust
from app.net.session import WebSession
from app.notifiers.base import NotifyError
from app.notifiers.directory import notifier
from app.notifiers.receivers import receivers

_TIMEOUT = 5
_LARGEST_SKEW = 30.0


def examine(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Yield the findings of every check as they are made."""
    yield from _secret(config)
    yield from examine_redis(config, connection)
    yield from _receiver(config)
    yield from _coder_clock(config)
    yield from examine_access(config.settings)
    yield from _receivers(config.settings)
    for name, table in config.settings.deployment_settings.items():
        if table.model_fields_set & RECEIVER_FIELDS:
            yield from (replace(one, subject=name) for one in _receivers(config.of(name).settings))
    yield from examine_counting(config, connection)
    yield from examine_prefix(connection)
    yield from examine_parts(connection)
    yield from examine_relaying(config, connection)


def _secret(config: Config) -> Iterator[Finding]:
    settings = config.settings
    if settings.webhook_secret is None:
        yield Finding(
            "secret.present", Result.ERROR, "no webhook secret", "set AWB_WEBHOOK_SECRET, or start `awb run` once"
        )
        return
    yield Finding("secret.present", Result.OK, "a webhook secret is set")
    if settings.webhook_secret_previous:
        yield Finding(
            "secret.rotation", Result.WARNING, "the previous webhook secret is still accepted",
            "unset AWB_WEBHOOK_SECRET_PREVIOUS once Coder has the new one",
        )  # fmt: skip
    if not settings.on_loopback and urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            "secret.transport", Result.WARNING, "Coder would send the secret unencrypted",
            "put a TLS proxy in front and set AWB_PUBLIC_URL to its URL",
        )  # fmt: skip


def _receiver(config: Config) -> Iterator[Finding]:
    """Send a request to the receiver as Coder would; a redirect would turn Coder's POSTs into GETs and lose them."""
    base = config.settings.public_url or f"http://{config.settings.bind}"
    host = urlsplit(base).hostname or ""
    try:
        with WebSession(config.settings.ca_file, direct=True) as session:
            answer = session.get(f"{base}/v1/webhook", headers={"User-Agent": DOCTOR}, timeout=_TIMEOUT)
    except requests.RequestException as error:
        hint = (
            trust.REMEDY
            if trust.is_untrusted(error)
            else f"is it started, and does {host} lead here? check AWB_BIND and AWB_PUBLIC_URL"
        )
        yield Finding("receiver.reachable", Result.ERROR, f"{base} does not answer ({type(error).__name__})", hint)
        return
    if answer.is_redirect:
        hint = (
            "Coder follows redirects by GET and loses the notification: give it the final URL, and AWB_PUBLIC_URL too"
        )
        yield Finding("receiver.redirect", Result.ERROR, f"{base} redirects", hint)
    elif answer.status_code == requests.codes.method_not_allowed:
        yield Finding("receiver.reachable", Result.OK, f"{base}/v1/webhook answers")
    else:
        hint = "something else answers there; check the proxy and AWB_PUBLIC_URL"
        yield Finding("receiver.reachable", Result.ERROR, f"{base}/v1/webhook answers {answer.status_code}", hint)
    skew = _skew(answer.headers.get("Date", ""))
    if skew > _LARGEST_SKEW:
        yield Finding("clock.receiver", Result.WARNING, f"{skew:.0f} s from {host}", "synchronize the clocks (NTP)")


def _coder_clock(config: Config) -> Iterator[Finding]:
    """Compare the clocks: a build's time is Coder's, the present is ours. `awb coder check` reports everything else."""
    base = config.settings.coder_url
    if not base:
        return
    try:
        with WebSession(config.settings.coder_ca_file or config.settings.ca_file) as session:
            answer = session.get(f"{base.rstrip('/')}/api/v2/buildinfo", timeout=_TIMEOUT)
    except requests.RequestException:
        return
    skew = _skew(answer.headers.get("Date", ""))
    if skew > _LARGEST_SKEW:
        yield Finding("clock.coder", Result.WARNING, f"{skew:.0f} s from Coder's clock", "synchronize the clocks (NTP)")


def _skew(date: str) -> float:
    """Return the seconds between an HTTP Date and our clock; 0 if the header is missing or invalid."""
    try:
        return abs(parsedate_to_datetime(date).timestamp() - clock.now().timestamp())
    except ValueError:
        return 0.0


def _receivers(settings: Settings) -> Iterator[Finding]:
    """Probe each receiver; whether there are any is part of the verdict on health."""
    for name in receivers(settings):
        check = f"receiver.{name}"
        try:
            notifier(settings, name).probe()
        except NotifyError as error:
            yield Finding(
                check, Result.ERROR, f"{error} ({error.reason.value})", "correct the setting, or try again later"
            )
        except ValueError as error:
            yield Finding(check, Result.ERROR, str(error), "correct the setting")
        else:
            yield Finding(check, Result.OK, "can be reached")
