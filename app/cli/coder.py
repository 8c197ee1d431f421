"""Commands that use Coder's API."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.base import (
    AS_JSON,
    DEPLOYMENT,
    EXIT_FAILED,
    EXIT_INCOMPLETE,
    fail,
    load_config,
    load_with_kept_secret,
    main,
    open_redis,
    out,
    print_json,
)
from app.cli.findings import show_findings
from app.cli.meter import find_meter
from app.coder.api import CoderApi, CoderApiError
from app.config.load import EXIT_CONFIG, Config
from app.core.count.meter import AWB, Usage
from app.pipeline.count.reconcile import Listed, list_changes
from app.pipeline.count.verify import Verified, verify_due
from app.pipeline.operate.codercheck import check
from app.pipeline.operate.subscribe import Plan, carry_out, make_plan
from app.pipeline.passes import client
from app.pipeline.usage import current_usage
from app.pipeline.watch.warn import warn
from app.store.store import Store

#: Attempts for each request while a person is waiting.
_ATTEMPTS: Final = 2


@contextmanager
def _api(config: Config, *, attempts: int = 4) -> Iterator[CoderApi]:
    """Yield a client, and end the command with a clear message if Coder does not answer."""
    try:
        with client(config, attempts=attempts) as api:
            yield api
    except ValueError as error:
        fail(str(error), EXIT_CONFIG)
    except CoderApiError as error:
        fail(str(error))


@main.command()
@click.option("--full", is_flag=True, help="Verify every workspace, even if unchanged.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Look for deleted workspaces from this day on."
)
@DEPLOYMENT
@AS_JSON
@click.pass_context
def reconcile(
    context: click.Context, full: bool, since: datetime | None, deployment: str | None, as_json: bool
) -> None:
    """Find unannounced builds through Coder's API now. The scheduler also does this every few minutes.

    Exit code 75 if Coder kept failing for some workspaces; these are retried later, and everything else is done.
    """
    loaded = load_config(context)
    deployment = deployment or loaded.settings.deployment
    config = loaded.of(deployment)
    find_meter(config)
    done = whole_pass(config, Store(open_redis(config), deployment), full=full, since=since, hidden=as_json)
    _show(_reconciled(*done), as_json=as_json)
    sys.exit(EXIT_INCOMPLETE if done[1].left else 0)


def whole_pass(
    config: Config, store: Store, *, full: bool, since: datetime | None, hidden: bool
) -> tuple[Listed, Verified, Usage]:
    """Run a pass over Coder's API with progress bars, then evaluate alerts. If Coder fails, the command ends.

    Args:
        config: the deployment's configuration.
        store: the deployment's data.
        full: verify every workspace, even if unchanged.
        since: the UTC day from which to look for deleted workspaces; None for the time of the last pass.
        hidden: show no progress.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        _api(config) as api,
        Progress(*columns, disable=hidden or not sys.stderr.isatty(), transient=True) as bars,
    ):
        listing = bars.add_task("listing workspaces", total=None)
        listed = list_changes(
            store,
            api,
            full=full,
            since=since.replace(tzinfo=UTC) if since else None,
            progress=lambda done, _asked: bars.update(listing, completed=done),
        )
        if listed.failure:
            raise listed.failure
        verifying = bars.add_task("verifying builds", total=listed.asked)
        verified = verify_due(
            store,
            config,
            api,
            progress=lambda done, left: bars.update(verifying, completed=done, total=done + left),
        )
        warn(store, config, AWB)
        usage = current_usage(store, config, AWB, top=False)
        if verified.failure:
            raise verified.failure
    return listed, verified, usage


def _reconciled(listed: Listed, verified: Verified, usage: Usage) -> dict[str, Any]:
    return {
        "listed": listed.listed,
        "verified": verified.workspaces,
        "left": verified.left,
        "change": verified.change,
        "used": usage.used,
        "counted": usage.counted,
        "coder_actual": usage.coder_actual,
        "drift": usage.drift,
    }


def _show(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    out.print(f"{done['listed']:,} workspaces listed, {done['verified']:,} verified, {done['change']:+,} builds.")
    if done["left"]:
        what = "1 workspace is" if done["left"] == 1 else f"{done['left']:,} workspaces are"
        out.print(f"{what} not verified because Coder kept failing; see the log. They are retried later.")
    known = done["drift"] is not None
    actual = f"; Coder reports {done['coder_actual']:,}, drift {done['drift']:+,}" if known else ""
    out.print(f"{done['used']:,} used, {done['counted']:,} counted{actual}.")


@main.group()
def coder() -> None:
    """Check and set up the Coder deployment through its API."""


@coder.command("check")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def check_coder(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Check whether Coder sends and shows what the count needs; exit code 1 if something is broken."""
    loaded = load_with_kept_secret(context)
    config = loaded.of(deployment or loaded.settings.deployment)
    with _api(config, attempts=_ATTEMPTS) as api:
        code = show_findings(check(open_redis(config), config, api), as_json=as_json)
    sys.exit(code)


@coder.command()
@click.option("--yes", is_flag=True, help="Make the changes; without this, only show them.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def subscribe(context: click.Context, yes: bool, deployment: str | None, as_json: bool) -> None:
    """Turn on the notifications that the count needs, for the token's user."""
    loaded = load_config(context)
    config = loaded.of(deployment or loaded.settings.deployment)
    with _api(config, attempts=_ATTEMPTS) as api:
        plan = make_plan(api)
        if yes and not plan.empty:
            carry_out(api, plan)
    if as_json:
        print_json(
            {
                "enable": [template.name for template in plan.enable],
                "by_webhook": [template.name for template in plan.by_webhook],
                "left": list(plan.left),
                "changed": yes and not plan.empty,
            }
        )
    else:
        _show_plan(plan, done=yes)
    sys.exit(0 if plan.empty or yes else EXIT_FAILED)


def _show_plan(plan: Plan, *, done: bool) -> None:
    for template in plan.enable:
        out.print(f"turn on for the token's user: {template.name}")
    for template in plan.by_webhook:
        out.print(f"send by webhook: {template.name}")
    for sentence in plan.left:
        out.print(f"left: {sentence}.")
    if plan.empty:
        out.print("Nothing to change: everything that this token's user can receive is on.")
    else:
        out.print("Done." if done else "Nothing changed yet. To make the changes, run: awb coder subscribe --yes")
