"""What happens at the limit in each version of Coder: what is blocked, what is not, and what to do next.

Some versions refuse task workspaces at the hard limit; later ones only advise (app/core/coder/versions.py). Since
coder/coder PR 22210 a licence without the feature, or with limit zero, is refused.
"""

from typing import Final

from app.core.coder.versions import LIMIT_BLOCKS, Version
from app.core.count.era import NO_LONGER_COUNTED, is_gone
from app.core.count.meter import AWB, Usage
from app.core.limit.entitlement import LicenceStatus

_CONTACT_NOW: Final = "Please contact your Coder account team."
_CONTACT_IN_TIME: Final = "Please talk to your Coder account team before it is reached."


def consequence(usage: Usage, licence: LicenceStatus, version: Version | None) -> str:  # noqa: PLR0911 - one for each case
    """Return what usage near or over this limit means for the deployment's users, and what to do."""
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    ask = _CONTACT_NOW if over else _CONTACT_IN_TIME
    if is_gone(usage.meter, version):
        return NO_LONGER_COUNTED
    if usage.meter != AWB:
        return f"What happens beyond this limit depends on the licence. {ask}"
    if usage.limit.count == 0 or licence is LicenceStatus.NOT_ENTITLED:
        return (
            "The licence includes no builds, so Coder may refuse to start workspaces for tasks. Everything else keeps "
            f"working. {_CONTACT_NOW}"
        )
    if usage.limit.count is None:
        return "There is no limit."
    if licence is LicenceStatus.UNLICENSED or (version is not None and not LIMIT_BLOCKS.holds(version)):
        state = "tasks keep working over the limit" if over else "not even at the limit"
        return f"Nothing is blocked{':' if over else ','} {state}. {ask}"
    if version is None:
        return f"On Coder v2.31 and later nothing is blocked: tasks keep working over the limit. {ask}"
    return f"{_blocking(version, over=over)} {ask}"


def _blocking(version: Version, *, over: bool) -> str:
    number = "v" + ".".join(map(str, version))
    if over:
        return (
            f"Coder {number} refuses to start workspaces for tasks at its hard limit, so new tasks may fail now. "
            "Everything else keeps working. From v2.31 on, the limit is advisory: upgrading lifts the block."
        )
    return (
        f"Nothing is blocked yet. At the hard limit, Coder {number} refuses to start workspaces for tasks; "
        "from v2.31 on, the limit is advisory."
    )
