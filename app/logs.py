"""Logging: configured in one place, as JSON or text, with secrets and e-mail addresses removed from every line."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog

_PATTERNS: Final = (
    # Userinfo of a URL.
    (re.compile(r"(?<=://)[^/\s]*@"), "***@"),
    # Slack's incoming webhooks; also their path alone, because urllib3 logs host and path separately.
    (re.compile(r"(hooks\.slack(?:-gov)?\.com/)\S+"), r"\1***"),
    (re.compile(r"/services/T\w+/B\w+/[\w-]+"), "/services/***"),
    # Headers, also in the form of a dict or a tuple.
    (
        re.compile(r"(?i)(authorization|coder-session-token)([\"']?\s*[:=,]\s*b?[\"']?)(?:[a-z]+\s+)?[^\s\"']+"),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(basic|bearer)\s+[\w+/=.~-]{16,}"), r"\1 ***"),
    # A named secret: otp=… in a reset link, {'one_time_passcode': '…'}, password=….
    (re.compile(r"(?i)(otp|passcode|passw(?:or)?d|secret|token)([\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}\])]+"), r"\1\2***"),
    (re.compile(r"(?<![\w.!#$%&'+=^`{|}~-])[\w.!#$%&'+=^`{|}~-]++@[\w-]+(?:\.[\w-]+)*"), "***@***"),
)
# Every pattern above needs one of these; most texts have none, and checking this first is much faster.
_SUSPECT: Final = re.compile(r"[@/:=,]|basic|bearer", re.IGNORECASE)
_SECRET_FIELD: Final = re.compile(r"secret|password|token|passcode|otp$|authorization", re.IGNORECASE)
#: Shorter secrets would remove ordinary words from the log.
_SHORTEST_KNOWN: Final = 6
_DEEPEST: Final = 8
_LOGGERS_OF_RQ: Final = ("worker", "job", "queue", "registry", "scheduler", "scripts", "utils", "webhook")


def redact_text(text: str) -> str:
    """Remove secrets of known formats, and e-mail addresses, from a text."""
    if not _SUSPECT.search(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class Redaction:
    """A processor that removes secrets from all parts of an event.

    Args:
        secrets: texts that must never be written, such as the configured secrets.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])}
        # The longest first, so that a URL is replaced before the password in it.
        ordered = sorted((text for text in known if len(text) >= _SHORTEST_KNOWN), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return self._mapping(event, 0)

    def text(self, text: str) -> str:
        return redact_text(self._known.sub("***", text) if self._known else text)

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if depth < _DEEPEST and isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
            return [self._value(item, depth + 1) for item in value]
        return self.text(repr(value))

    def _mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {
            self.text(str(key)): "***" if value and _SECRET_FIELD.search(str(key)) else self._value(value, depth)
            for key, value in values.items()
        }


def configure(log_format: str, level: str, secrets: Iterable[str] = ()) -> None:
    """Configure structlog and the standard library's loggers, including RQ's, once per process.

    Args:
        log_format: `json`, `text`, or `auto` for text on a terminal and JSON elsewhere.
        level: the lowest level that is written.
        secrets: texts that must never be written.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            # The last processor, so that nothing is added after it.
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_own_name,
                Redaction(secrets),
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # RQ's loggers do not propagate once RQ has set them up. With our handler set first, RQ leaves them alone.
    for name in _LOGGERS_OF_RQ:
        logger = logging.getLogger(f"rq.{name}")
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel("WARNING" if level != "debug" else "DEBUG")
    logging.getLogger("waitress.queue").setLevel("ERROR")


def _without_own_name(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove the logger's name from our own lines below warning: they are many, and their event identifies them."""
    if event.get("level") in ("info", "debug") and str(event.get("logger", "")).startswith(("app.", "workers.")):
        del event["logger"]
    return event


def _renderer(log_format: str) -> Any:
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    if as_json:
        return structlog.processors.JSONRenderer(separators=(",", ":"))
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
