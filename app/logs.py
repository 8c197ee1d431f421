"""Logging: one configured place, JSON or text, with secrets and addresses taken out of every line."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_PATTERNS: Final = (
    # User info of a URL, hooks of Slack and alike, tokens in headers, e-mail addresses.
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@"), "***@"),
    (re.compile(r"(hooks\.slack\.com/)\S+"), r"\1***"),
    (re.compile(r"(?i)(authorization|coder-session-token)(\W+)(?:basic |bearer )?\S+"), r"\1\2***"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "***@***"),
)
_SECRET_FIELD: Final = re.compile(r"secret|password|token|passcode|authorization", re.IGNORECASE)


def redact_text(text: str) -> str:
    """Take secrets of known shapes, and e-mail addresses, out of a text."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def configure(log_format: str, level: str) -> None:
    """Configure structlog and the standard library's loggers, RQ's among them, once per process.

    Args:
        log_format: `json`, `text`, or `auto` for text on a terminal and JSON elsewhere.
        level: name of the lowest level that is written.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # RQ's loggers do not propagate once it has set them up: give them our handler first, and it leaves them alone.
    for name in ("rq.worker", "rq.job", "rq.queue", "rq.registry", "rq.scheduler"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel("WARNING" if level != "debug" else "DEBUG")
    logging.getLogger("waitress.queue").setLevel("ERROR")


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if _SECRET_FIELD.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact_text(value)
        elif isinstance(value, BaseException):
            event[key] = redact_text(repr(value))
    return event
