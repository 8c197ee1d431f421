"""`awb demo`: three months of a simulated Coder played against the real meter, followed by a summary."""

import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app import clock, logs
from app.config.load import load
from app.demo import show
from app.demo.past import Past
from app.demo.result import Result, gather
from app.demo.service import Service, ServiceError
from app.demo.team import Team, make_team
from app.demo.today import Today
from app.simulator.api import ApiServer
from app.simulator.loopback import free_port
from app.simulator.sender import Sender
from app.simulator.sinks import MailSink, SinkError, SlackSink
from app.store import keys
from workers import embedded

#: Shows a step, and the share of the work that is done, from 0 to 1.
Step = Callable[[str, float], None]
_SECRET_BYTES: Final = 24
#: Three months.
DAYS: Final = 91
#: The last day is delivered to the running service.
_LAST_DAY: Final = timedelta(days=1)
_PAST_SHARE: Final = 0.8
#: A sub-limit, so that the demo includes an alert of that kind.
_CONFIGURATION: Final = """\
[[scopes]]
by = "user"
name = "ci-pipeline"
limit = 120
thresholds = ["75%", "100%"]
"""


def run_demo(*, keep: bool | None = None, verbose: bool = False, days: int = DAYS, seed: int = 7) -> int:
    """Play some months that end now, check the meter's results, and summarize them in ten lines.

    Args:
        keep: leave the service running afterwards, until Ctrl-C; by default only on a terminal.
        verbose: also show every scenario and message.
        days: the number of days to play.
        seed: the seed of the world and of the network's faults.

    Returns:
        0 if all results are correct, else 1.
    """
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else 120)
    logs.configure("text", "error")
    try:
        former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not in the main thread
        former = None
    try:
        # Order matters: the service stops before the sinks, and the directory is deleted last.
        with (
            tempfile.TemporaryDirectory(prefix="awb-demo-") as directory,
            SlackSink() as slack,
            MailSink() as mail,
        ):
            demo = _Demo(console, Path(directory), slack, mail, make_team(clock.now(), days, seed))
            return demo.run(keep=terminal if keep is None else keep, verbose=verbose)
    except (SinkError, embedded.EmbeddedRedisError) as error:
        console.print(f"[red]{escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; the service is stopped.")
        return 1
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)


class _Demo:
    def __init__(self, console: Console, directory: Path, slack: SlackSink, mail: MailSink, team: Team) -> None:
        self._console = console
        self._directory = directory
        self._slack = slack
        self._mail = mail
        self._team = team
        self._secret = secrets.token_hex(_SECRET_BYTES)
        self._port = free_port()

    def run(self, *, keep: bool, verbose: bool) -> int:
        with ApiServer(self._team.world) as api:
            settings = self._settings(api)
            with self._bar() as step:
                past = self._play_past(settings, step)
            with Service(self._port, self._directory / "service.log", settings) as service:
                try:
                    with self._bar() as step:
                        today = self._play_today(service, past, step)
                        result = gather(past, today, service, self._slack.messages, self._mail.mails)
                except ServiceError as error:
                    self._console.print(f"[red]{escape(str(error))}[/red]\n\nThe end of the service's log:\n")
                    self._console.print(service.log_tail(), markup=False, soft_wrap=True)
                    return 1
                self._report(result, verbose=verbose)
                if keep:
                    self._keep(service, today)
        return 1 if result.differences else 0

    def _play_past(self, settings: Mapping[str, str], step: Step) -> Past:
        config = load(environ=settings)
        data_dir = config.settings.data_dir
        data_dir.mkdir(mode=0o700)
        with embedded.serving(data_dir) as connection:
            # This data can be generated again, so it need not be on disk before the next step.
            connection.config_set("appendfsync", "no")
            past = Past(self._team.timeline, connection, config)
            past.play(clock.now() - _LAST_DAY, lambda at, share: step(f"Playing {at:%d %b %Y}", share * _PAST_SHARE))
        return past

    def _play_today(self, service: Service, past: Past, step: Step) -> Today:
        webhook = f"http://coder:{self._secret}@127.0.0.1:{self._port}/v1/webhook"
        today = Today(self._team.timeline, past.outbox, service, Sender(webhook, self._team.seed))
        step("Starting the meter", _PAST_SHARE)
        service.wait_ready()
        step("Playing the scenarios of Coder's documentation", 0.85)
        today.play_scenarios()
        step("Playing today", 0.9)
        today.play_rest()
        service.wait_classified(message.id for message in today.messages)
        step("Asking Coder's API", 0.95)
        service.command("reconcile", "--json")
        service.wait_sent()
        return today

    def _report(self, result: Result, *, verbose: bool) -> None:
        if verbose:
            for table in show.details(result):
                self._console.print(table)
        for label, words in show.lines(result):
            self._console.print(f"[bold]{label:<10}[/bold] {escape(words)}", soft_wrap=True)
        for difference in result.differences:
            self._console.print(f"[red]differs[/red]    {escape(difference)}", soft_wrap=True)
        self._console.print("[bold red]FAIL" if result.differences else "[bold green]PASS")

    def _keep(self, service: Service, today: Today) -> None:
        self._console.print(f"\nopen {service.url}/\n", style="bold", soft_wrap=True)
        self._console.print("The simulated team keeps working. Press Ctrl-C to stop the service and delete its data.")
        with suppress(KeyboardInterrupt):
            today.go_on(threading.Event())

    def _settings(self, api: ApiServer) -> dict[str, str]:
        # A separate file, so that no other configuration, and above all not its Redis, is used.
        configuration = self._directory / "demo.toml"
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
        world = self._team.world
        return {
            "AWB_CONFIG": str(configuration),
            "AWB_BIND": f"127.0.0.1:{self._port}",
            "AWB_PUBLIC_URL": f"http://127.0.0.1:{self._port}",
            # This process has it already, and plays the past with it.
            "AWB_REDIS_PREFIX": keys.SHARED,
            "AWB_DATA_DIR": str(self._directory / "data"),
            "AWB_WEBHOOK_SECRET": self._secret,
            "AWB_CODER_URL": api.url,
            "AWB_CODER_TOKEN": api.token_of(self._team.meter),
            "AWB_AI_TEMPLATES": ",".join(template.name for template in world.templates if template.ai),
            "AWB_SLACK_WEBHOOK_URL": self._slack.url,
            "AWB_SMTP_URL": self._mail.url,
            "AWB_EMAIL_FROM": "awb-meter@example.com",
            "AWB_EMAIL_TO": "ops@example.com",
            "AWB_DIGEST": "monthly",
            "AWB_LOG_FORMAT": "json",
        }

    @contextmanager
    def _bar(self) -> Iterator[Step]:
        """Yield the function that shows progress: a bar on a terminal."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        hidden = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as bars:
            bar = bars.add_task("Starting", total=1.0)
            yield lambda title, share: bars.update(bar, description=title, completed=share)
