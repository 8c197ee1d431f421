"""`awb rebuild`: restores the count from Coder's API after Redis and its backups were lost."""

import sys
from datetime import datetime, timedelta
from typing import Any, Final

import click

from app import clock
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_INCOMPLETE, load_config, main, open_redis, out, print_json
from app.cli.coder import whole_pass
from app.cli.meter import find_meter
from app.config.load import Config
from app.core.coder.history import SOURCE_WORDS, HistorySource
from app.core.count.meter import AWB, Usage
from app.pipeline.usage import current_usage
from app.store.store import Store

#: Coder keeps provisioner jobs and its audit log forever unless configured otherwise; few need to look back further.
_LOOK_BACK: Final = timedelta(days=400)
_LOST: Final = (
    "Not restored, because Coder does not store it: deliveries and their verdicts, notifications and what they said, "
    "silences, acknowledgements, the audit trail, and estimates of builds that the API does not show. Only a "
    "backup has these (awb restore)."
)


@main.command()
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Find workspaces deleted on or after this day."
)
@DEPLOYMENT
@AS_JSON
@click.pass_context
def rebuild(context: click.Context, since: datetime | None, deployment: str | None, as_json: bool) -> None:
    """Restore the count from Coder's API after Redis was lost and no backup is left.

    The meter must be running. Nothing is deleted, so you can run this again. Deleted workspaces are found back to the
    beginning of the usage period, or 400 days back if that is earlier.

    Exit code 75: everything else is done, but Coder kept failing for some workspaces, which will be retried.
    """
    loaded = load_config(context)
    deployment = deployment or loaded.settings.deployment
    config = loaded.of(deployment)
    find_meter(config)
    store = Store(open_redis(config), deployment)
    back = since or _beginning(store, config)
    listed, verified, usage = whole_pass(config, store, full=True, since=back, hidden=as_json)
    answer = {
        "since": f"{back:%Y-%m-%d}",
        "listed": listed.listed,
        "verified": verified.workspaces,
        "left": verified.left,
        "proved": store.records(AWB).count() - usage.provisional,
        "used": usage.used,
        "coder_actual": usage.coder_actual,
        "history_source": (store.coder.history_source() or HistorySource.NONE).value,
    }
    if as_json:
        print_json(answer)
    else:
        _show(answer, usage)
    sys.exit(EXIT_INCOMPLETE if verified.left else 0)


def _beginning(store: Store, config: Config) -> datetime:
    begins = current_usage(store, config, AWB, top=False).period.starts_at
    return min(begins, clock.now() - _LOOK_BACK) if begins.year > 1 else clock.now() - _LOOK_BACK


def _show(answer: dict[str, Any], usage: Usage) -> None:
    out.print(f"{answer['verified']:,} workspaces verified, {answer['proved']:,} builds proved; {usage.used:,} used.")
    out.print(SOURCE_WORDS[HistorySource(answer["history_source"])])
    if answer["history_source"] != HistorySource.NONE:
        out.print(f"Deleted workspaces were looked for since {answer['since']}, if Coder still has them.")
    if usage.coder_actual is not None and usage.drift:
        out.print(f"Coder itself reports {usage.coder_actual:,}: a difference of {usage.drift:+,}.")
    if answer["left"]:
        out.print(f"Coder kept failing for {answer['left']:,} workspaces; the next passes retry them.")
    out.print(_LOST)
