"""Commands that list the deployments of this meter, and remove one."""

from datetime import datetime
from typing import Any

import click
import redis
from rich.markup import escape

from app import clock
from app.cli.base import AS_JSON, actor, fail, known_deployment, load_config, main, open_redis, out, print_json
from app.cli.meter import find_meter
from app.cli.show import local, print_table
from app.config.load import Config
from app.core.text.spelling import did_you_mean
from app.store.audit import Audit
from app.store.receive.deployments import Deployments
from app.store.receive.inbox import Inbox

#: The kinds of keys whose numbers are shown before they are deleted.
_KINDS = {"record": "usage records", "ws": "workspaces", "delivery": "deliveries", "notification": "messages"}


@main.group()
def deployments() -> None:
    """List the deployments that post to this meter, or remove one with all its data."""


@deployments.command("list")
@AS_JSON
@click.pass_context
def list_deployments(context: click.Context, as_json: bool) -> None:
    """List configured deployments, and those added by their first delivery."""
    config = load_config(context, lean=True)
    find_meter(config)
    found = rows(open_redis(config), config)
    if as_json:
        print_json({"max_deployments": config.settings.max_deployments, "deployments": found})
        return
    print_table(
        ("name", "known by", "deliveries", "last"),
        [
            (
                escape(row["name"]),
                _known_by(row),
                f"{row['accepted']:,}",
                local(datetime.fromisoformat(last), config.zone) if last else "never",
            )
            for row, last in ((row, row["last_delivery_at"]) for row in found)
        ],
    )


def rows(connection: "redis.Redis", config: Config) -> list[dict[str, Any]]:
    """Return the deployments, configured ones first."""
    store, configured = Deployments(connection), config.settings.configured_deployments
    unfinished = store.unfinished()
    found = []
    for name in dict.fromkeys([*configured, *store.names(), *unfinished]):
        stats = Inbox(connection, name).stats()
        last = stats.get("last_delivery_at")
        found.append(
            {
                "name": name,
                "configured": name in configured,
                "accepted": int(stats.get("accepted", 0)),
                "last_delivery_at": clock.at(last).isoformat() if last else None,
                "removal_unfinished": name in unfinished,
            }
        )
    return found


def _known_by(row: dict[str, Any]) -> str:
    if row["removal_unfinished"]:
        return "removal not finished: remove it again"
    return "configuration" if row["configured"] else "its deliveries"


@deployments.command()
@click.argument("name", callback=known_deployment)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@AS_JSON
@click.pass_context
def remove(context: click.Context, name: str, yes: bool, as_json: bool) -> None:
    """Delete all data of a deployment: records, deliveries, alerts and waiting jobs.

    Its name is added again if it posts again.
    """
    config = load_config(context, lean=True)
    find_meter(config)
    connection = open_redis(config)
    store = Deployments(connection)
    if name in config.settings.configured_deployments:
        fail(f"“{name}” is configured; remove it from AWB_DEPLOYMENT or AWB_DEPLOYMENTS first")
    known = [*store.names(), *store.unfinished()]
    if name not in known:
        fail(f"there is no deployment “{name}”{did_you_mean(name, known)}; `awb deployments list` shows them")
    kinds = store.kinds(name)
    deleted = {words: kinds[kind] for kind, words in {**_KINDS, "job": "jobs"}.items()}
    if not yes:
        says = ", ".join(f"{number:,} {words}" for words, number in deleted.items())
        click.confirm(f"Permanently delete all data of “{name}”: {says}?", abort=True, err=True)
    store.remove(name)
    Audit(connection, config.settings.deployment).write(actor(), "remove deployment", name)
    if as_json:
        print_json({"removed": name, "deleted": deleted})
        return
    out.print(escape(f"{name}: removed. Change the webhook of its Coder, or the name will be added again."))
