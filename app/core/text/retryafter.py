"""The header Retry-After."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_to_wait(header: str | None, now: datetime) -> float | None:
    """Parse whole seconds or an HTTP date (RFC 9110, section 10.2.3); None if the header is neither.

    A date in the past gives zero.
    """
    if header is None:
        return None
    try:
        if re.fullmatch(r"[0-9]{1,9}", header.strip(), re.ASCII):
            return float(header)
        at = parsedate_to_datetime(header)
        return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)
    except (ValueError, OverflowError):
        return None
