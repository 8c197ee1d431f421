"""Commands for operators: queues and their jobs, and replay of deliveries."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NoReturn
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.answers.queues import Queue, Queues, Worker
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, actor, main, open_store, out, print_json
from app.cli.show import local, print_table
from app.cli.terminal import Out
from app.pipeline.operate.queues import Operator, queues_of
from app.pipeline.operate.replay import Replayed, replay_unknown
from app.pipeline.operate.replay import replay as replay_delivery
from app.store.rq import jobqueue

#: The number of failed jobs listed for each queue.
_FAILED_SHOWN: Final = 20
_QUEUE = click.argument("queue", type=click.Choice(jobqueue.QUEUES))


@contextmanager
def _bar(words: str, *, hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Out(stderr=True)
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal, transient=True) as bars:
        bar = bars.add_task(words, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _operator(context: click.Context) -> Operator:
    store, config = open_store(context, None)
    return Operator(store.redis, config, actor())


@main.group(invoke_without_command=True)
@AS_JSON
@click.pass_context
def queues(context: click.Context, as_json: bool) -> None:
    """Show queues, workers and the latest failed jobs; or requeue, delete, pause, resume."""
    if context.invoked_subcommand:
        return
    store, config = open_store(context, None)
    found = Queues.of(queues_of(store.redis, config), failed=_FAILED_SHOWN)
    if as_json:
        print_json(found)
        return
    _show_queues(found.queues)
    if found.suspended:
        out.print("All workers are suspended by `rq suspend`; `rq resume` resumes them.")
    _show_workers(found.workers, config.zone)
    if found.failed_jobs:
        out.print()
        rows = [
            (escape(job.id), local(job.failed_at, config.zone), job.attempts, escape(job.reason))
            for job in found.failed_jobs
        ]
        print_table(("failed job", "failed", "tries", "reason"), rows, right=("tries",))


def _show_queues(rows: Sequence[Queue]) -> None:
    numbers = ("waiting", "oldest (s)", "started", "scheduled", "deferred", "failed")
    cells = []
    for row in rows:
        state = f"[bold yellow]paused by {escape(row.paused_by or '')}[/]" if row.paused else "running"
        counts = (row.length, row.oldest_age_seconds, row.started, row.scheduled, row.deferred, row.failed)
        cells.append((row.name, *counts, state))
    print_table(("queue", *numbers, "state"), cells, right=numbers)


def _show_workers(rows: Sequence[Worker], zone: ZoneInfo) -> None:
    out.print()
    if not rows:
        out.print("No workers are registered: nothing is counted or sent. Start them with `awb run`.")
        return
    cells = []
    for row in rows:
        state = "[bold red]dead[/]" if row.state == "dead" else escape(row.state)
        job = escape(row.current_job or "–")
        cells.append((escape(row.name), state, local(row.last_heartbeat, zone), job))
    print_table(("worker", "state", "last heartbeat", "job"), cells)


@queues.command()
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option(
    "--all-failed", type=click.Choice(jobqueue.QUEUES), metavar="QUEUE", help="Every failed job of this queue."
)
@click.pass_context
def requeue(context: click.Context, job_ids: tuple[str, ...], all_failed: str | None) -> None:
    """Queue failed jobs again, for one more attempt each. Repeating it changes nothing."""
    words = ("requeued", "has not failed, or no longer exists")
    _each(context, job_ids, all_failed, words, Operator.requeue, Operator.requeue_all)


@queues.command()
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option(
    "--all-failed", type=click.Choice(jobqueue.QUEUES), metavar="QUEUE", help="Every failed job of this queue."
)
@click.option("--yes", is_flag=True, help="Delete all failed jobs of a queue without confirmation.")
@click.pass_context
def delete(context: click.Context, job_ids: tuple[str, ...], all_failed: str | None, yes: bool) -> None:
    """Delete failed or waiting jobs. The record of a delivery stays, and `awb replay` can process it again."""
    if all_failed and not yes:
        click.confirm(f"Delete every failed job of {all_failed}?", abort=True, err=True)
    _each(context, job_ids, all_failed, ("deleted", "is with a worker, or gone"), Operator.delete, Operator.delete_all)


def _each(
    context: click.Context,
    job_ids: Sequence[str],
    queue: str | None,
    words: tuple[str, str],
    some: Callable[[Operator, Sequence[str]], list[str]],
    every: Callable[[Operator, str, Callable[[int, int], None]], int],
) -> None:
    """Act on these jobs, or on all failed ones of a queue; exit code 1 if nothing was done for one of them."""
    if bool(job_ids) == bool(queue):
        raise click.UsageError("give either JOB_IDs or --all-failed QUEUE")
    done_word, not_word = words
    operator = _operator(context)
    if queue:
        with _bar(queue) as progress:
            number = every(operator, queue, progress)
        out.print(f"{number:,} jobs {done_word}.")
        return
    done = set(some(operator, job_ids))
    for job_id in job_ids:
        out.print(escape(f"{job_id}: {done_word if job_id in done else f'nothing done, it {not_word}'}"))
    sys.exit(0 if done.issuperset(job_ids) else EXIT_FAILED)


@queues.command()
@_QUEUE
@click.pass_context
def pause(context: click.Context, queue: str) -> None:
    """Stop our workers from taking jobs of a queue until it is resumed. Deliveries are still accepted, and wait."""
    changed = _operator(context).pause(queue)
    out.print(f"{queue} is paused." if changed else f"{queue} was already paused.")


@queues.command()
@_QUEUE
@click.pass_context
def resume(context: click.Context, queue: str) -> None:
    """Resume a paused queue."""
    changed = _operator(context).resume(queue)
    out.print(f"{queue} is running again." if changed else f"{queue} was not paused.")


@main.command()
@click.argument("message_ids", metavar="[MESSAGE_ID]...", nargs=-1)
@click.option("--unknown", is_flag=True, help="Every unrecognized delivery.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="Only those that arrived on or after this day (UTC).",
)
@DEPLOYMENT
@AS_JSON
@click.pass_context
def replay(
    context: click.Context,
    message_ids: tuple[str, ...],
    unknown: bool,
    since: datetime | None,
    deployment: str | None,
    as_json: bool,
) -> None:
    """Classify unrecognized deliveries again, by the rules that the workers have loaded.

    After changing the rules, restart the workers first. A delivery counts only once, however often it is replayed.
    """
    if bool(message_ids) == (unknown or since is not None):
        raise click.UsageError("give either MESSAGE_IDs, or --unknown, --since DAY, or both of these")
    store, _ = open_store(context, deployment)
    if message_ids:
        _show_replayed({one: replay_delivery(store, one, actor()) for one in message_ids}, as_json=as_json)
    with _bar("deliveries", hidden=as_json) as progress:
        start = since.replace(tzinfo=UTC).timestamp() if since else 0.0
        tally = replay_unknown(store, actor(), since=start, progress=progress)
    if as_json:
        print_json({"looked_at": tally.looked_at, "queued": tally.queued})
        return
    out.print(f"{tally.looked_at:,} deliveries checked, {tally.queued:,} queued for classification.")


def _show_replayed(results: dict[str, Replayed], *, as_json: bool) -> NoReturn:
    if as_json:
        print_json([{"message_id": one, "became": word.value} for one, word in results.items()])
    for one, word in ({} if as_json else results).items():
        out.print(escape(f"{one}: {word.value}"))
    sys.exit(0 if set(results.values()) == {Replayed.QUEUED} else EXIT_FAILED)
