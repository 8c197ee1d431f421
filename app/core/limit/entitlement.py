"""The limit, the period and the licence status of a meter, from Coder's entitlements.

Meanings: enterprise/coderd/license/license.go, coder/coder PR 20540 (1,000 included with Premium), PR 21998 (the limit
is advisory), PR 22210 (licensed but not entitled, or limit zero: task builds are refused).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.coder.shapes import Entitlements, Feature
from app.core.limit.limits import Limit
from app.core.limit.period import Period

# Coder's default period ends in 2125; a period this long is treated as endless.
_FOR_GOOD_YEARS: Final = 50


class LicenceStatus(StrEnum):
    """What the licence says about a meter."""

    #: The entitlements are unknown.
    UNKNOWN = "unknown"
    #: No licence (Community): the included builds apply, nothing is enforced, and Coder does not count.
    UNLICENSED = "unlicensed"
    ENTITLED = "entitled"
    #: The licence has expired and is in its grace period.
    GRACE = "grace_period"
    #: A licence without this feature, or with limit zero: Coder refuses to start task workspaces.
    NOT_ENTITLED = "not_entitled"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is included in which period, and Coder's own count.

    Attributes:
        period: None if Coder reports none; the configured period then applies.
        actual: Coder's own number as of the entitlements' refresh; None if it does not count.
    """

    licence: LicenceStatus
    limit: Limit
    period: Period | None = None
    actual: int | None = None


def allowance(entitlements: Entitlements | None, feature_name: str, configured: Limit) -> Allowance:
    """Return the allowance of a feature; the configured limit applies if no licence sets one."""
    if entitlements is None:
        return Allowance(LicenceStatus.UNKNOWN, configured)
    feature = entitlements.features.get(feature_name)
    if not entitlements.has_license:
        return Allowance(LicenceStatus.UNLICENSED, configured)
    if feature is None or feature.entitlement == LicenceStatus.NOT_ENTITLED or not feature.limit or not feature.enabled:
        actual = feature.actual if feature else None
        return Allowance(LicenceStatus.NOT_ENTITLED, Limit(0), _period(feature), actual)
    licence = LicenceStatus.GRACE if feature.entitlement == LicenceStatus.GRACE else LicenceStatus.ENTITLED
    return Allowance(licence, _limit(feature), _period(feature), feature.actual)


def _limit(feature: Feature) -> Limit:
    limit = feature.limit
    if limit is None or limit < 0:
        return Limit(None)
    # Before October 2025 `limit` was the hard limit and `soft_limit` the included number (coder/coder PR 18876).
    soft = feature.soft_limit if feature.soft_limit is not None and 0 < feature.soft_limit < limit else None
    return Limit(limit, soft)


def _period(feature: Feature | None) -> Period | None:
    if feature is None or feature.usage_period is None:
        return None
    first, last = feature.usage_period.start, feature.usage_period.end
    if last.year - first.year >= _FOR_GOOD_YEARS:
        return Period(Period.inclusive(first, first).start, None)
    return Period.inclusive(first, last)
