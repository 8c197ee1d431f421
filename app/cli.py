"""The command `awb`."""

import json
import signal
import socket
import sys
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import quote

import click
import redis
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app import clock, doctor, jobqueue, logs
from app.config import EXIT_CONFIG, Config, ConfigError, ensure_webhook_secret, load, masked
from app.core.delivery import InvalidDeliveryError, read_delivery, to_event
from app.core.finding import Outcome
from app.core.meter import AWB
from app.core.rules import classify
from app.notifiers import directory
from app.settings import DEPLOYMENT_NAME, Settings, secret_texts
from app.store.connection import connect, unavailable
from app.store.inbox import Inbox
from app.store.ledger import Ledger
from app.web import server
from app.web.api import record_answer, usage_answer
from app.web.factory import create_app
from workers import embedded
from workers.scheduler import Scheduler
from workers.supervisor import AlreadyRunningError, Supervisor, follow_parent

_EXIT_FAILED, _EXIT_UNAVAILABLE = 1, 69
out = Console(highlight=False, soft_wrap=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coder-awb-meter")
@click.option("--config", "path", type=click.Path(path_type=Path), help="Configuration file (AWB_CONFIG).")
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Count Coder's Agent Workspace Builds and warn before the limit.

    Exit codes: 0 all is well, 1 something was found or not found, 69 Redis is away, 78 the configuration is wrong.
    """
    context.obj = path


def _config(context: click.Context, *, secret: bool = False) -> Config:
    """Load the configuration, with the webhook secret where the command needs one, or end with code 78."""
    try:
        config = load(context.obj)
        if secret:
            config = Config(ensure_webhook_secret(config.settings), config.rules, config.source, config.rules_source)
        wrong = directory.problems(config.settings)
    except ConfigError as error:
        wrong = error.problems
    for problem in wrong:
        click.echo(f"configuration: {problem.removeprefix('configuration: ')}", err=True)
    if wrong:
        sys.exit(EXIT_CONFIG)
    logs.configure(config.settings.log_format, config.settings.log_level, secret_texts(config.settings))
    return config


def _connect(config: Config) -> "redis.Redis":
    """Connect to the configured Redis, else to the embedded one of the data directory."""
    settings = config.settings
    if settings.redis_url:
        return connect(settings.redis_url.get_secret_value())
    return connect(embedded.url(settings.data_dir))


def _fail(message: str, code: int = _EXIT_FAILED) -> NoReturn:
    click.echo(f"awb: {message}", err=True)
    sys.exit(code)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.pass_context
def run(context: click.Context, insecure: bool) -> None:
    """Run everything: Redis unless AWB_REDIS_URL is set, receiver, workers and scheduler."""
    before = load_or_none(context.obj)
    new_secret = (
        before is not None and before.webhook_secret is None and not (before.data_dir / "webhook-secret").exists()
    )
    config = _config(context, secret=not insecure)
    if insecure and not config.settings.on_loopback:
        _fail("--insecure is for loopback addresses only; set AWB_BIND to 127.0.0.1:PORT", EXIT_CONFIG)
    show = new_secret or sys.stdout.isatty()

    def ready() -> None:
        click.echo(_welcome(config.settings, show_secret=show and not insecure))

    try:
        sys.exit(Supervisor(config, server.listen, insecure=insecure).run(ready))
    except AlreadyRunningError as error:
        _fail(str(error))
    except (embedded.EmbeddedRedisError, ValueError) as error:
        _fail(str(error), _EXIT_UNAVAILABLE)
    except OSError as error:
        _fail(f"cannot listen on {config.settings.bind}: {error.strerror}; set AWB_BIND to another address")


def load_or_none(path: Path | None) -> Settings | None:
    try:
        return load(path).settings
    except ConfigError:
        return None


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.option("--listen-fd", type=int, hidden=True)
@click.pass_context
def web(context: click.Context, insecure: bool, listen_fd: int | None) -> None:
    """Run the receiver alone."""
    config = _config(context, secret=not insecure)
    follow_parent()
    signal.signal(signal.SIGTERM, _end)
    try:
        app = create_app(config, _connect(config), insecure=insecure)
        if listen_fd is None:
            listener = server.listen(config.settings.bind_host, config.settings.bind_port)
        else:
            listener = socket.socket(fileno=listen_fd)
    except ValueError as error:
        _fail(str(error), EXIT_CONFIG)
    except OSError as error:
        _fail(f"cannot listen on {config.settings.bind}: {error.strerror}; set AWB_BIND to another address")
    server.server(app, config.settings, listener).run()


def _end(_signal: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


@main.command()
@click.argument("queue", type=click.Choice(jobqueue.QUEUES))
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.pass_context
def worker(context: click.Context, queue: str, burst: bool) -> None:
    """Run the worker of one queue."""
    from workers.runner import worker as build  # noqa: PLC0415 - RQ's worker is slow to import

    config = _config(context)
    follow_parent()
    try:
        worked = build(queue, _connect(config), config)
        worked.work(burst=burst, logging_level="WARNING")
    except (redis.exceptions.RedisError, OSError) as error:
        _fail(f"Redis is {unavailable(error)}", _EXIT_UNAVAILABLE)


@main.command()
@click.pass_context
def scheduler(context: click.Context) -> None:
    """Run the scheduler: delayed retries and the sweep. Several may run; the work is done once."""
    config = _config(context)
    follow_parent()
    Scheduler(_connect(config), config).run()


@main.command("webhook-url")
@click.pass_context
def webhook_url(context: click.Context) -> None:
    """Print the lines that connect Coder, secret included."""
    config = _config(context, secret=True)
    click.echo(_welcome(config.settings, show_secret=True))


def _welcome(settings: Settings, *, show_secret: bool) -> str:
    base = settings.public_url or f"http://{_reachable(settings)}:{settings.bind_port}"
    scheme, _, rest = base.partition("://")
    known = settings.webhook_secret.get_secret_value() if settings.webhook_secret and show_secret else ""
    user = f"coder:{quote(known, safe='') or '<secret>'}@" if settings.webhook_secret else ""
    lines = [
        "The Coder AWB meter is running. Put this into the environment of coderd, and restart it:",
        "",
        "  CODER_NOTIFICATIONS_METHOD=webhook",
        f"  CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT={scheme}://{user}{rest}/v1/webhook",
        "",
    ]
    if settings.webhook_secret and not show_secret:
        lines += ["`awb webhook-url` prints them with the secret.", ""]
    lines += [
        f"Usage:   {base}/api/v1/usage   or: awb status",
        f"Records: {base}/api/v1/records  or: awb why WORKSPACE",
        "Checks:  awb doctor",
    ]
    return "\n".join(lines)


def _reachable(settings: Settings) -> str:
    return socket.gethostname() if settings.bind_host in ("0.0.0.0", "::") else settings.bind.rpartition(":")[0]  # noqa: S104


@main.group()
def config() -> None:
    """Check or show the configuration."""


@config.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Find every mistake in configuration and rules; exit code 78 if there is one."""
    loaded = _config(context)
    click.echo(f"{loaded.source or 'defaults'}: ok. {loaded.rules_source}: {len(loaded.rules)} rules, ok.")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show what is in force, secrets masked."""
    values = masked(_config(context).settings)
    if as_json:
        _print_json(values)
        return
    for key, value in values.items():
        click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def explain(context: click.Context, file: IO[bytes], as_json: bool) -> None:
    """Show the verdict for a webhook body in FILE (- for standard input) without counting it."""
    loaded = _config(context)
    try:
        delivery = read_delivery(file.read())
    except InvalidDeliveryError as error:
        _fail(f"not a Coder notification: {error.reason}. The receiver would put it into quarantine.")
    event = to_event(loaded.settings.deployment, delivery.message_id, clock.now().timestamp(), delivery.payload)
    verdict = classify(event, loaded.rules, loaded.facts)
    shown = {
        "outcome": verdict.outcome.value,
        "evidence": verdict.evidence.value if verdict.evidence else None,
        "meter": verdict.meter or None,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "hint": verdict.hint or None,
        "notification": event.name or event.template_id,
        "workspace": event.workspace or None,
        "owner": event.owner or None,
        "template": event.template or None,
    }
    if as_json:
        _print_json(shown)
        return
    for key, value in shown.items():
        if value is not None:
            click.echo(f"{key + ':':<14}{value}")


def _deployment(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not DEPLOYMENT_NAME.fullmatch(value):
        raise click.BadParameter("takes lower-case letters, digits and dashes")
    return value


@main.command()
@click.argument("what")
@click.option("--deployment", callback=_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def why(context: click.Context, what: str, deployment: str | None, as_json: bool) -> None:
    """Say why something was counted: WHAT is a usage key, a workspace id, or OWNER/WORKSPACE."""
    loaded = _config(context)
    try:
        ledger = Ledger(_connect(loaded), deployment or loaded.settings.deployment, AWB)
        records = ledger.find(what)
    except (redis.exceptions.RedisError, OSError) as error:
        _fail(f"Redis is {unavailable(error)}", _EXIT_UNAVAILABLE)
    answers = [record_answer(record) for record in records]
    if as_json:
        _print_json(answers)
    elif not answers:
        _fail(
            f"nothing is counted for “{what}”. Give a usage key, a workspace id, a workspace name or OWNER/WORKSPACE."
        )
    else:
        for answer in answers:
            for key, value in answer.items():
                click.echo(f"{key + ':':<14}{', '.join(value) if isinstance(value, list) else value}")
            click.echo()
    sys.exit(0 if answers else _EXIT_FAILED)


@main.command()
@click.option("--deployment", callback=_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Show usage, limit, alert and the top users of the present period."""
    loaded = _config(context)
    try:
        usage = usage_answer(_connect(loaded), loaded, deployment or loaded.settings.deployment)
    except (redis.exceptions.RedisError, OSError) as error:
        _fail(f"Redis is {unavailable(error)}", _EXIT_UNAVAILABLE)
    if as_json:
        _print_json(usage)
        return
    limit = "unlimited" if usage["limit"] is None else f"{usage['limit']:,}"
    share = "" if usage["percent"] is None else f"  {usage['percent']} %"
    out.print(f"[bold]{usage['used']:,} of {limit}[/bold] Agent Workspace Builds{share}")
    if usage["percent"] is not None:
        filled = min(int(usage["percent"] / 2.5), 40)
        out.print("█" * filled + "░" * (40 - filled))
    out.print(
        f"alert: {usage['alert']['state']}" + (f" at {usage['alert']['level']}" if usage["alert"]["level"] else "")
    )
    out.print(f"period: {usage['period']['start'][:10]} to {(usage['period']['end'] or 'no end')[:10]}")
    out.print(f"mode: {usage['mode']}: an estimate from notifications, a lower bound")
    table = Table("user", "used", box=None)
    for row in usage["by_user"]:
        table.add_row(escape(row["name"] or "(unknown)"), f"{row['used']:,}")
    if usage["by_user"]:
        out.print(table)


@main.command()
@click.option("--deployment", callback=_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def quarantine(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """List bodies that were authenticated but no Coder notifications."""
    loaded = _config(context)
    try:
        rows = Inbox(_connect(loaded), deployment or loaded.settings.deployment).quarantined()
    except (redis.exceptions.RedisError, OSError) as error:
        _fail(f"Redis is {unavailable(error)}", _EXIT_UNAVAILABLE)
    if as_json:
        _print_json(rows)
    for row in [] if as_json else rows:
        click.echo(f"{row['message_id']}  {row['bytes']:>7} bytes  {row['reason']}")


@main.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def examine(context: click.Context, as_json: bool) -> None:
    """Check secret, Redis, receiver, Slack, mail server, clock and input; exit code 1 if something is broken."""
    config_in_force = _config(context)
    secret_file = config_in_force.settings.data_dir / "webhook-secret"
    if config_in_force.settings.webhook_secret is None and secret_file.exists():
        config_in_force = _config(context, secret=True)
    marks = {"ok": "[green]ok[/green]     ", "warning": "[yellow]warning[/yellow]", "error": "[red]ERROR[/red]  "}
    found = []
    for finding in doctor.examine(config_in_force, _connect(config_in_force)):
        found.append(finding)
        if not as_json:
            out.print(f"{marks[finding.outcome.value]} {escape(f'{finding.check:<22} {finding.says}')}", markup=True)
            if finding.hint:
                out.print(f"{'':31}→ {escape(finding.hint)}")
    if as_json:
        _print_json([{"check": f.check, "outcome": f.outcome.value, "says": f.says, "hint": f.hint} for f in found])
    sys.exit(_EXIT_FAILED if any(f.outcome is Outcome.ERROR for f in found) else 0)


@main.command()
@click.option("--keep", is_flag=True, help="Leave the service up at the end.")
def demo(keep: bool) -> None:
    """Play a simulated Coder against the real service, with local sinks for Slack and mail."""
    from app.demo import run_demo  # noqa: PLC0415 - needs the optional extra `demo`

    sys.exit(run_demo(keep=keep))


if __name__ == "__main__":
    main()
