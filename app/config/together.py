"""Settings that work only in combination."""

from collections.abc import Mapping
from typing import Any, Final

from app.core.text.redisprefix import has_tag

_EMAIL: Final = ("smtp_url", "email_from", "email_to")
_REDIS_TLS: Final = ("redis_ca_file", "redis_cert_file", "redis_key_file", "redis_server_name")
_SLACK_BOT: Final = ("slack_bot_token", "slack_channel")
_NEEDS_TAG: Final = "redis_url names a Redis Cluster, which needs redis_prefix with a hash tag, such as {awb}:"
#: Settings of one receiver: either all are set, or none.
GROUPS: Final = (_EMAIL, _SLACK_BOT)


def incomplete(values: Mapping[str, Any]) -> list[str]:
    """Return what is missing for settings that work only in combination; empty if nothing is."""
    found = []
    relay = values.get("relay") or "off"
    # People have their own addresses, so relaying needs neither recipients nor channels.
    for name, wanted, needed in (
        ("e-mail", _EMAIL, _EMAIL[:2] if relay != "off" else ()),
        ("the Slack bot", _SLACK_BOT, _SLACK_BOT[:1] if relay == "slack" else ()),
    ):
        lacking = [key for key in needed if not values.get(key)]
        if lacking:
            found.append(f"relay = {relay} needs {' and '.join(needed)}; missing: {', '.join(lacking)}")
        missing = [key for key in wanted if not values.get(key)]
        if missing and len(missing) < len(wanted) and not needed:
            listed = " and ".join([", ".join(wanted[:-1]), wanted[-1]])
            found.append(f"{name} needs {listed} together; missing: {', '.join(missing)}")
    if values.get("proxy_user_header") and not values.get("proxy_addresses"):
        found.append("proxy_user_header needs proxy_addresses: only those may name users")
    return found + _wrong_redis(values)


def _wrong_redis(values: Mapping[str, Any]) -> list[str]:
    url = values.get("redis_url") or ""
    scheme = str(getattr(url, "get_secret_value", lambda: url)()).partition("://")[0]
    given = [key for key in _REDIS_TLS if values.get(key)]
    if given and not scheme.startswith("rediss"):
        return [
            f"{given[0]} needs a redis_url that begins with rediss://, rediss+sentinel:// or rediss+cluster://, for TLS"
        ]
    if scheme.endswith("+cluster") and not has_tag(str(values.get("redis_prefix", ""))):
        return [_NEEDS_TAG]
    if values.get("redis_key_file") and not values.get("redis_cert_file"):
        return ["redis_key_file needs redis_cert_file: the certificate that this key belongs to"]
    sentinel = [key for key in ("redis_sentinel_user", "redis_sentinel_password") if values.get(key)]
    if sentinel and not scheme.endswith("+sentinel"):
        return [f"{sentinel[0]} needs a redis_url that begins with redis+sentinel:// or rediss+sentinel://"]
    if sentinel == ["redis_sentinel_user"]:
        return ["redis_sentinel_user needs redis_sentinel_password"]
    return []
