"""Settings that only work together."""

from collections.abc import Mapping
from typing import Any, Final

_EMAIL: Final = ("smtp_url", "email_from", "email_to")
_SLACK_BOT: Final = ("slack_bot_token", "slack_channel")
#: Settings of one receiver, which are all set or none.
GROUPS: Final = (_EMAIL, _SLACK_BOT)


def incomplete(values: Mapping[str, Any]) -> list[str]:
    """Say what is missing where settings only work together; empty when nothing is."""
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
    return found
