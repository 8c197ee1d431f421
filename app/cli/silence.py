"""`awb silence`: which messages are muted, until when, and why."""

from datetime import datetime, timedelta
from typing import Any, Final

import click
from rich.markup import escape

from app import clock
from app.answers.alerts import Silence, Silences
from app.cli.base import AS_JSON, DEPLOYMENT, actor, fail, main, open_store, out, print_json
from app.cli.show import local, print_table
from app.core.alert.localtime import last_moment
from app.core.alert.silence import parse_matchers
from app.core.text.spelling import did_you_mean

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOMENTS: Final = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]


class Span(click.ParamType[timedelta]):
    """A duration, such as `30m`, `12h`, `7d` or `2w`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        number, unit = str(value)[:-1], _UNITS.get(str(value)[-1:])
        if unit is None or not (number.isascii() and number.isdecimal() and 0 < len(number) < 6):  # noqa: PLR2004 - days of centuries
            self.fail(f"“{value}” is not a duration: write 30m, 12h, 7d or 2w", param, ctx)
        return timedelta(**{unit: int(number)})


@main.group()
def silence() -> None:
    """Mute messages for a time, or end a silence."""


@silence.command()
@click.argument("matchers", nargs=-1, required=True, metavar="MATCHER...")
@click.option("--for", "span", type=Span(), metavar="7d", help="How long: 30m, 12h, 7d or 2w.")
@click.option(
    "--until",
    type=click.DateTime(_MOMENTS),
    metavar="MOMENT",
    help="Such as 2030-05-01T08:00, in the configured time zone.",
)
@click.option("--comment", required=True, help="The reason, for others who wonder why nobody was notified.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def add(
    context: click.Context,
    matchers: tuple[str, ...],
    span: timedelta | None,
    until: datetime | None,
    comment: str,
    deployment: str | None,
    as_json: bool,
) -> None:
    """Silence messages that match every MATCHER, such as level=90%, alert=awb or scope='user:*'.

    When the silence ends, the latest state is sent if it still applies.
    """
    from app.pipeline.operate.silence import SilenceError, create_silence  # noqa: PLC0415 - for lists in vain

    if (span is None) == (until is None):
        raise click.UsageError("give either --for or --until")
    if not comment.strip():
        raise click.BadParameter("give the reason, so that others know why nobody was notified", param_hint="--comment")
    try:
        parsed = parse_matchers(matchers)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="MATCHER") from error
    store, config = open_store(context, deployment, lean=False)
    ends = last_moment(until, config.zone) if until else clock.now() + (span or timedelta())
    try:
        made = create_silence(store, parsed, ends, actor(), comment)
    except SilenceError as error:
        raise click.UsageError(str(error)) from error
    store.audit.write(actor(), "add silence", f"{made.id} {' '.join(matchers)}")
    if as_json:
        print_json(Silence.of(made))
        return
    out.print(escape(f"{made.id}: silenced until {local(made.ends_at, config.zone)}. awb silence end {made.id}"))


@silence.command("list")
@click.option("--all", "ended_too", is_flag=True, help="Include silences that have ended.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def list_silences(context: click.Context, ended_too: bool, deployment: str | None, as_json: bool) -> None:
    """List silences, the one that ends last first."""
    store, config = open_store(context, deployment)
    found = [one for one in Silences.of(store).silences if one.active or ended_too]
    if as_json:
        print_json(Silences(silences=found))
        return
    if not found:
        out.print("No active silences.")
        return
    print_table(
        ("id", "matchers", "until", "by", "comment"),
        [
            (
                escape(one.id),
                escape(" ".join(f"{field}={glob}" for field, glob in one.matchers.items())),
                local(one.ends_at, config.zone) + ("" if one.active else " (over)"),
                escape(one.author + (f", ended by {one.ended_by}" if one.ended_by else "")),
                escape(one.comment),
            )
            for one in found
        ],
    )


@silence.command()
@click.argument("silence_id", metavar="ID")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def end(context: click.Context, silence_id: str, deployment: str | None, as_json: bool) -> None:
    """End a silence or a snooze; what it held is sent within a minute. Exit code 1 if the id is unknown."""
    from app.pipeline.operate.acknowledge import end as end_silence  # noqa: PLC0415 - slow to import, for lists in vain

    store, config = open_store(context, deployment, lean=False)
    ended = end_silence(store, config, silence_id, actor())
    if ended is None:
        known = [one.id for one in store.silences.all()]
        fail(f"there is no silence “{silence_id}”{did_you_mean(silence_id, known)}; `awb silence list` shows them")
    store.audit.write(actor(), "end silence", silence_id)
    if as_json:
        print_json(Silence.of(ended))
        return
    out.print(escape(f"{silence_id} ended {local(ended.ends_at, config.zone)}."))
