"""Signatures of Slack's requests: an HMAC of the time and the body, good for five minutes to both sides of that time.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import re
from typing import Final

#: How far the time of a request may be from ours, in seconds.
GOOD_FOR: Final = 300
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


def is_signed(secret: str, body: bytes, timestamp: str, signature: str, now: float) -> bool:
    """Return whether Slack signed a request.

    Args:
        secret: the app's signing secret; nothing is signed with a blank one.
        body: as it came; what Slack signs is text, so that bytes which are no UTF-8 are not from there.
        timestamp: the header X-Slack-Request-Timestamp.
        signature: the header X-Slack-Signature.
        now: seconds since the epoch.
    """
    if not secret.strip() or not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > GOOD_FOR:
        return False
    try:
        text = f"v0:{timestamp}:{body.decode()}"
    except UnicodeDecodeError:
        return False
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    # As bytes: of text it compares ASCII only.
    return hmac.compare_digest(f"v0={digest}".encode(), signature.encode("utf-8", "replace"))
