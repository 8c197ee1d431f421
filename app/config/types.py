"""Types of settings: how each is parsed, and its error messages."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, SecretStr

from app.config import publicurl
from app.config.words import comma_list, one_word, people, tables, words
from app.core.access.logins import parse_logins
from app.core.access.people import (
    ApiToken,
    Network,
    check_password_hash_form,
    parse_networks,
    parse_tokens,
    parse_user_header,
)
from app.core.alert.quiet import QuietSpan
from app.core.alert.routing import ReceiverGlobs
from app.core.limit.threshold import Threshold
from app.core.text import weburl
from app.core.text.mailbox import Mailbox, address_literal, ascii_host, mailboxes
from app.core.text.redisprefix import check_prefix
from app.core.text.redisurl import names_several, password_in

DEPLOYMENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SHORTEST_SECRET: Final = 16
_LIMIT_HINT: Final = "must be a number of builds, 0, or unlimited"
_QUOTES: Final = tuple("\"'“”„‘’")
_HIGHEST_PORT: Final = 65535
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_NO_URL: Final = "must be a URL such as https://coder.example.com, without user or password"


def in_stray_quotes(text: str) -> bool:
    """Return whether a text starts or ends with a quotation mark, as after an extra one in an env file."""
    return text.startswith(_QUOTES) or text.endswith(_QUOTES)


def split_url(url: str) -> SplitResult:
    """Split a URL; empty if it is invalid, or contains white space, some of which `urlsplit` silently removes."""
    return weburl.split_url("" if re.search(r"\s", url) or in_stray_quotes(url) else url)


def _read_limit(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "unlimited":
            return -1
        if not re.fullmatch(r"[+-]?[0-9_]{1,20}", text):
            raise ValueError(_LIMIT_HINT)
    return value


def _host(value: str) -> str:
    if value and not _HOST_NAME.fullmatch(value):
        raise ValueError("must be a host name, such as redis.example.com, without a port")
    return value


def _limit(value: int) -> int:
    if value < -1:
        raise ValueError(_LIMIT_HINT)
    return value


def _address(value: str) -> str:
    """Check HOST:PORT; an IPv6 address gets the brackets that it needs in a URL."""
    host, _, port = value.rpartition(":")
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_ipv6 = _is_ipv6(inner)
    is_name = inner == host and _HOST_NAME.fullmatch(host)
    if not (is_ipv6 or is_name) or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8787, or [::1]:8787 for an IPv6 address")
    return f"[{inner}]:{port}" if is_ipv6 else value


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _optional_address(value: str) -> str:
    return _address(value) if value else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be the name of a time zone, such as UTC or Europe/Berlin") from None
    return value


def _deployment(value: str) -> str:
    if not DEPLOYMENT_NAME.fullmatch(value):
        raise ValueError("must be lower-case letters, digits and dashes, at most 40")
    return value


def _web_url(value: str) -> str:
    parts = split_url(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise ValueError(_NO_URL)
    return value.rstrip("/")


def _public_url(value: str) -> str:
    value = _web_url(value)
    parts = split_url(value)
    wrong = "takes no ? or #" if parts.query or parts.fragment else publicurl.problem(parts.path)
    if wrong:
        raise ValueError(wrong)
    return value


def _redis(value: SecretStr | None) -> SecretStr | None:
    if value and names_several(value.get_secret_value()):
        password_in(value.get_secret_value())
        return value
    parts = split_url(value.get_secret_value()) if value else None
    if parts and not (parts.scheme in ("redis", "rediss") and parts.hostname):
        if parts.scheme == "unix" and parts.path:
            return value
        raise ValueError(
            "must be redis://:password@HOST:PORT/0, rediss://… for TLS, unix:///path/of/the.sock, "
            "redis+sentinel://HOST:PORT,HOST:PORT,HOST:PORT/SERVICE-NAME or redis+cluster://HOST:PORT,HOST:PORT"
        )
    return value


def _smtp(value: SecretStr | None) -> SecretStr | None:
    parts = split_url(value.get_secret_value()) if value else None
    if parts and not (parts.scheme in ("smtp", "smtps") and parts.hostname):
        raise ValueError("must be smtp://user:password@HOST:587; in user and password, write @ as %40 and / as %2F")
    return value


def _path(value: Path) -> Path:
    if in_stray_quotes(str(value)):
        raise ValueError("must be a path without a quotation mark at its ends")
    return value


def _hook(example: str) -> AfterValidator:
    def check(value: SecretStr | None) -> SecretStr | None:
        parts = split_url(value.get_secret_value()) if value else None
        if parts and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError(f"must be the whole URL of {example}")
        return value

    return AfterValidator(check)


def _secret(value: SecretStr | None) -> SecretStr | None:
    if value and len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} characters; try: openssl rand -hex 24")
    return value


def _password_hash(value: SecretStr | None) -> SecretStr | None:
    if value:
        check_password_hash_form(value.get_secret_value())
    return value


def _logins(value: SecretStr | None) -> SecretStr | None:
    return value if value and parse_logins(value.get_secret_value()) else None


def _texts(value: Any, *, secret: bool = False) -> list[str]:
    items = words(value, secret=secret)
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("takes a list of texts")
    return list(items)


def _tokens(value: Any) -> tuple[ApiToken, ...]:
    return parse_tokens(_texts(value, secret=True))


def _networks(value: Any) -> tuple[Network, ...]:
    return parse_networks(_texts(value))


def _as_texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values]


def _optional_mailbox(value: Any) -> Any:
    return value or None


def _mailbox_list(value: Any) -> Any:
    return mailboxes(value) if isinstance(value, str) else value


def _helo(value: str) -> str:
    found = (address_literal(value) if value.startswith("[") else ascii_host(value)) if value else ""
    if found is None:
        raise ValueError("must be a host name such as meter.example.com, or an address such as [192.0.2.1]")
    return found


def _days_by_level(value: Mapping[str, int]) -> Mapping[str, int]:
    for level, days in value.items():
        if not 0 <= days <= 365:  # noqa: PLR2004 - a year
            raise ValueError(f"“{level}” takes days from 0 (never) to 365")
    return {Threshold.parse(level).level: days for level, days in value.items()}


Address = Annotated[str, AfterValidator(_address)]
OptionalHost = Annotated[str, AfterValidator(_host)]
OptionalAddress = Annotated[str, AfterValidator(_optional_address)]
Words = Annotated[list[str], BeforeValidator(words)]
Digests = Annotated[list[Literal["weekly", "monthly"]], BeforeValidator(words)]
FilePath = Annotated[Path, AfterValidator(_path)]
People = Annotated[list[str], BeforeValidator(people)]
Token = Annotated[SecretStr | None, AfterValidator(one_word)]
Thresholds = Annotated[list[Threshold], BeforeValidator(comma_list)]
DaysByLevel = Annotated[dict[str, int], BeforeValidator(tables), AfterValidator(_days_by_level)]
QuietHours = Annotated[list[QuietSpan], BeforeValidator(comma_list)]
LimitSetting = Annotated[int, BeforeValidator(_read_limit), AfterValidator(_limit)]
ZoneName = Annotated[str, AfterValidator(_zone)]
DeploymentName = Annotated[str, AfterValidator(_deployment)]
DeploymentNames = Annotated[list[DeploymentName], BeforeValidator(comma_list)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
RedisPrefix = Annotated[str, AfterValidator(check_prefix)]
RedisUrl = Annotated[SecretStr | None, AfterValidator(_redis)]
SmtpUrl = Annotated[SecretStr | None, AfterValidator(_smtp)]
HookUrl = Annotated[SecretStr | None, _hook("the webhook, https://…")]
SlackHookUrl = Annotated[SecretStr | None, _hook("a Slack incoming webhook, https://hooks.slack.com/services/…")]
PasswordHash = Annotated[SecretStr | None, AfterValidator(_password_hash)]
LoginList = Annotated[SecretStr | None, AfterValidator(_logins)]
ApiTokens = Annotated[tuple[ApiToken, ...], PlainValidator(_tokens), PlainSerializer(_as_texts)]
Networks = Annotated[tuple[Network, ...], PlainValidator(_networks), PlainSerializer(_as_texts)]
ReceiverGlobList = Annotated[ReceiverGlobs, BeforeValidator(words)]
HeaderName = Annotated[str, AfterValidator(parse_user_header)]
LongSecret = Annotated[SecretStr | None, AfterValidator(_secret)]
MailAddress = Annotated[Mailbox | None, BeforeValidator(_optional_mailbox)]
MailAddresses = Annotated[list[Mailbox], BeforeValidator(_mailbox_list)]
HeloName = Annotated[str, AfterValidator(_helo)]
#: Parses tables from JSON if they come from a variable.
Tables = BeforeValidator(tables)
