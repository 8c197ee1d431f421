"""Logging: configured in one place, as JSON or text, with secrets and e-mail addresses removed from every line."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache
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
# Every pattern above needs one of these in the case-folded text. Most texts have none, and checking this first is much
# faster. Without i, because re.IGNORECASE also takes a dotless one for it.
_SUSPECT: Final = re.compile(r"@|/serv|hooks\.slack|author|token|bas|bearer|otp|pass|secret")
_SECRET_FIELD: Final = re.compile(r"secret|password|token|passcode|otp$|authorization", re.IGNORECASE)
#: Shorter secrets would remove ordinary words from the log.
_SHORTEST_KNOWN: Final = 6
_DEEPEST: Final = 8
# How many keys are remembered, and how long the longest of them is.
_MOST_KEYS, _LONGEST_KEY = 512, 64
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_LEVELS: Final = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
_LOGGERS_OF_RQ: Final = ("worker", "job", "queue", "registry", "scheduler", "scripts", "utils", "webhook")


def redact_text(text: str) -> str:
    """Remove secrets of known formats, and e-mail addresses, from a text."""
    if not _SUSPECT.search(text.casefold()):
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
        # Most keys are names in the code, so the same few come again and again.
        self._key = lru_cache(maxsize=_MOST_KEYS)(self._examine)

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return self._mapping(event, 0)

    def text(self, text: str) -> str:
        return redact_text(self._known.sub("***", text) if self._known else text)

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if depth < _DEEPEST and isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if depth < _DEEPEST and isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
            return [self._value(item, depth + 1) for item in value]
        return self.text(repr(value))

    def _mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found = {}
        for key, value in values.items():
            name = str(key)
            shown, secret = self._key(name) if len(name) <= _LONGEST_KEY else self._examine(name)
            found[shown] = "***" if value and secret else self._value(value, depth)
        return found

    def _examine(self, key: str) -> tuple[str, bool]:
        """Return a key as it is shown, and whether its value is secret."""
        return self.text(key), bool(_SECRET_FIELD.search(key))


class _Output:
    """Where our lines go, from which level on, and in which form.

    Args:
        handler: the standard library's, whose stream and lock are shared with other loggers.
        lowest: the lowest level that is written.
        finish: removes secrets and makes a line.
    """

    def __init__(self, handler: "logging.StreamHandler[Any]", lowest: int, finish: Sequence[Any]) -> None:
        self.lowest = lowest
        self._handler, self._finish = handler, finish

    def line(self, logger: Any, method: str, event: Any) -> Any:
        for step in self._finish:
            event = step(logger, method, event)
        return event

    def write(self, line: str) -> None:
        """Write a line; one that cannot be written is lost, because no work may fail for it."""
        self._handler.acquire()
        try:
            self._handler.stream.write(line + self._handler.terminator)
            self._handler.flush()
        except (OSError, ValueError):  # ValueError if the stream is closed
            pass
        finally:
            self._handler.release()


class _Logger:
    """A logger for structlog that takes finished lines; a line of the standard library takes twice as long."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.ours = name.startswith(("app.", "workers."))

    def msg(self, line: str) -> None:
        _in_effect[-1].write(line)

    debug = info = warning = error = critical = msg


#: structlog's loggers keep their processors, so these look up the output that was configured last.
_in_effect: Final[list[_Output]] = []


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
        _add_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    # The redaction comes last but one, so that nothing is added after it.
    finish = [Redaction(secrets), _renderer(log_format)]
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared], processors=[remove_meta, *finish]
        )
    )
    _in_effect[:] = [_Output(handler, _LEVELS[level], finish)]
    structlog.configure(
        processors=[_drop_below_level, *shared, _finish], logger_factory=_Logger, cache_logger_on_first_use=True
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


def _drop_below_level(_logger: Any, method: str, event: Any) -> Any:
    if _LEVELS[method] < _in_effect[-1].lowest:
        raise structlog.DropEvent
    return event


def _add_name(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the logger's name, except to our own lines below warning: they are many, and their event identifies them."""
    if isinstance(logger, _Logger) and not (logger.ours and method in ("info", "debug")):
        event["logger"] = logger.name
    return event


def _finish(logger: Any, method: str, event: Any) -> Any:
    return _in_effect[-1].line(logger, method, event)


def _as_json(_logger: Any, _method: str, event: Any) -> str:
    # What comes out of the redaction is all plain.
    return _JSON.encode(event)


def _renderer(log_format: str) -> Any:
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    return _as_json if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
