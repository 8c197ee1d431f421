"""Signatures of Slack's requests: an HMAC of time and body, valid for five minutes before and after that time.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import re
from typing import Final

#: How far a request's time may differ from ours, in seconds.
GOOD_FOR: Final = 300
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


def is_signed(secret: str, body: bytes, timestamp: str, signature: str, now: float) -> bool:
    """Return whether Slack signed a request.

    Args:
        secret: the app's signing secret; with an empty one no request is valid.
        body: the raw body. Slack signs text, so a body that is not UTF-8 is not from Slack.
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
    # Compared as bytes, because compare_digest accepts only ASCII text.
    return hmac.compare_digest(f"v0={digest}".encode(), signature.encode("utf-8", "replace"))
