"""What a limit does in which version of Coder, in words: what is blocked, what is not, and what to do next.

Some versions refuse task workspaces at the hard limit, later ones only advise (app/core/coder/versions.py). A licence
without the feature, or with limit zero, is refused since coder/coder PR 22210.
"""

from typing import Final

from app.core.coder.versions import LIMIT_BLOCKS, Version
from app.core.count.era import NO_LONGER_COUNTED, is_gone
from app.core.count.meter import AWB, Usage
from app.core.limit.entitlement import LicenceStatus

_CONTACT_NOW: Final = "Please contact your Coder account team."
_CONTACT_IN_TIME: Final = "Please talk to your Coder account team in time."


def consequence(usage: Usage, standing: LicenceStatus, version: Version | None) -> str:
    """Say what usage at or over this limit means for the users of the deployment, and what to do."""
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    ask = _CONTACT_NOW if over else _CONTACT_IN_TIME
    if usage.meter != AWB:
        return f"What Coder does beyond this limit is up to the licence. {ask}"
    if is_gone(usage.meter, version):
        return NO_LONGER_COUNTED
    if usage.limit.count == 0 or standing is LicenceStatus.NOT_ENTITLED:
        return (
            "No builds are included. With a licence that says so, Coder may refuse to start workspaces for tasks; "
            f"everything else goes on working. {_CONTACT_NOW}"
        )
    if version is not None and LIMIT_BLOCKS.holds(version) and standing is not LicenceStatus.UNLICENSED:
        return f"{_blocking(version, over=over)} {ask}"
    if over:
        return f"Nothing is blocked: Coder Tasks and other AI features go on working over the limit. {ask}"
    return f"Nothing is blocked, now or at the limit: Coder Tasks and other AI features go on working. {ask}"


def _blocking(version: Version, *, over: bool) -> str:
    number = "v" + ".".join(map(str, version))
    if over:
        return (
            f"Coder {number} refuses to start workspaces for tasks at its hard limit, so new tasks may fail now; "
            "everything else goes on working. From v2.31 on the limit is advisory: upgrading ends this."
        )
    return (
        f"Nothing is blocked now. At its hard limit Coder {number} refuses to start workspaces for tasks; "
        "from v2.31 on the limit is advisory."
    )
