"""`awb demo`: the real service against a simulated Coder, Slack and mail server, with a verdict at the end."""

import re
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.markup import escape

from app.config.load import packaged
from app.core.count.rules import load_rules
from app.simulator import show
from app.simulator.api import ApiServer
from app.simulator.scenarios import SCENARIOS
from app.simulator.sender import Faults, Sender
from app.simulator.service import Service, ServiceError
from app.simulator.sinks import MailSink, SinkError, SlackSink, free_port
from app.simulator.stage import Played, Stage
from app.simulator.world import World

T = TypeVar("T")
LIMIT: Final = 40
LEVELS: Final = (75, 90, 100)
_SECRET_BYTES: Final = 24
_REACHED: Final = re.compile(r"has reached (\d+) %")
#: Each level is passed alone, without failing builds on the way: a meter that has to guess takes those back later.
_PHASES: Final = (
    ("a busy morning: fan-out, disorder, failed builds, lost leases", 25, True, Faults(lease_lost=0.1)),
    ("past 75 %", 31, False, Faults(lease_lost=0.1)),
    ("past 90 %, over a bad network: Coder has to retry", 37, False, Faults(refused=0.25, unanswered=0.1)),
    ("past 100 %", 41, False, Faults(lease_lost=0.1)),
)


def run_demo(*, keep: bool, seed: int = 7) -> int:
    """Play the documentation's scenarios and a day of traffic against the service, and judge what came of it.

    Args:
        keep: leave the service up afterwards, until Ctrl-C.
        seed: of the world and of the network's faults.

    Returns:
        0 if everything is as it must be, else 1.
    """
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else 120)
    try:
        former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not in the main thread
        former = None
    try:
        # Order matters: the service ends before the sinks, and everything before the directory goes.
        with (
            tempfile.TemporaryDirectory(prefix="awb-demo-") as directory,
            SlackSink() as slack,
            MailSink() as mail,
        ):
            return _Demo(console, Path(directory), slack, mail, seed).run(keep=keep)
    except SinkError as error:
        console.print(f"[red]{error}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; the service is stopped.")
        return 1
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)


class _Demo:
    def __init__(self, console: Console, directory: Path, slack: SlackSink, mail: MailSink, seed: int) -> None:
        self._console = console
        self._slack = slack
        self._mail = mail
        self._seed = seed
        self._world = World(seed)
        self._secret = secrets.token_hex(_SECRET_BYTES)
        self._port = free_port()
        self._service = Service(self._port, directory / "service.log", self._settings(directory))

    def run(self, *, keep: bool) -> int:
        webhook = f"http://coder:{self._secret}@127.0.0.1:{self._port}/v1/webhook"
        rules = load_rules(packaged("rules.toml").read_text(encoding="utf-8"), "rules.toml")
        with self._service as service:
            stage = Stage(self._world, service, Sender(webhook, self._seed), rules)
            try:
                self._step("the service starts", service.wait_ready)
                played = [self._scenario(stage, number) for number in range(len(SCENARIOS))]
                self._day(stage)
                estimate = service.usage()
                differences = self._differences(stage, played, estimate)
                verified = self._step("Coder's API is asked, and proves every count", self._verify)
            except ServiceError as error:
                self._console.print(f"[red]{escape(str(error))}[/red]\n\nThe end of the service's log:\n")
                self._console.print(service.log_tail(), markup=False, soft_wrap=True)
                return 1
            if verified["used"] != len(self._world.awbs):
                differences.append(f"verified are {verified['used']}, true are {len(self._world.awbs)}")
            self._report(stage, played, estimate, verified)
            self._verdict(differences)
            if keep:
                self._keep(webhook)
        return 1 if differences else 0

    def _verify(self) -> Mapping[str, Any]:
        """Let one pass over the simulated Coder's API take the place of the estimate."""
        with ApiServer(self._world) as api:
            settings = {"AWB_CODER_URL": api.url, "AWB_CODER_TOKEN": api.token}
            return dict(self._service.command("reconcile", "--json", settings=settings))

    def _settings(self, directory: Path) -> dict[str, str]:
        # An empty file, so that nothing of a configuration lying around, its Redis least of all, is used.
        configuration = directory / "demo.toml"
        configuration.touch()
        return {
            "AWB_CONFIG": str(configuration),
            "AWB_BIND": f"127.0.0.1:{self._port}",
            "AWB_DATA_DIR": str(directory / "data"),
            "AWB_WEBHOOK_SECRET": self._secret,
            "AWB_LIMIT": str(LIMIT),
            "AWB_AI_TEMPLATES": ",".join(template.name for template in self._world.templates if template.ai),
            "AWB_SLACK_WEBHOOK_URL": self._slack.url,
            "AWB_SMTP_URL": self._mail.url,
            "AWB_EMAIL_FROM": "awb-meter@example.com",
            "AWB_EMAIL_TO": "ops@example.com",
            "AWB_LOG_FORMAT": "json",
        }

    def _scenario(self, stage: Stage, number: int) -> Played:
        scenario = SCENARIOS[number]
        title = f"scenario {number + 1} of {len(SCENARIOS)}: {scenario.title}"
        return self._step(title, partial(stage.play, scenario))

    def _day(self, stage: Stage) -> None:
        announced = 0
        for title, target, failures, faults in _PHASES:
            self._step(title, partial(stage.play_until, target, failures=failures, faults=faults))
            if not failures:
                announced += 1
                self._step("  … and Slack and the mailbox have it", partial(self._wait_for_messages, announced))
        self._step("one message in three comes again, its lease was lost", partial(stage.send_again, 3))

    def _wait_for_messages(self, count: int) -> None:
        def there() -> bool:
            return len(self._slack.messages) >= count and len(self._mail.mails) >= count

        self._service.wait_for(there, f"message number {count} in Slack and in the mailbox")

    def _step(self, title: str, action: Callable[[], T]) -> T:
        with self._console.status(title) if self._console.is_terminal else nullcontext():
            result = action()
        self._console.print(f"  [green]done[/green]  {escape(title)}")
        return result

    def _differences(self, stage: Stage, played: Sequence[Played], usage: Mapping[str, Any]) -> list[str]:
        """Return what is not as it must be, one sentence each."""
        found = [f"not as documented: {row.scenario.title}" for row in played if not row.as_documented]
        if usage["used"] != stage.delivered.total:
            found.append(f"the service counts {usage['used']}, its deliveries are worth {stage.delivered.total}")
        if stage.delivered.total > len(self._world.awbs):
            found.append(f"the estimate is above the truth, {len(self._world.awbs)}")
        if stage.totals.given_up:
            found.append(f"{stage.totals.given_up} messages were never accepted")
        for where, texts in (("Slack", self._slack_texts()), ("the mailbox", self._mail_texts())):
            levels = sorted(int(level) for text in texts for level in _REACHED.findall(text)[:1])
            if levels != list(LEVELS) or len(texts) != len(LEVELS):
                found.append(
                    f"{where} got {len(texts)} messages, for the levels {levels}, not one for each of {LEVELS}"
                )
        return found

    def _slack_texts(self) -> list[str]:
        return [str(message.get("text", "")) for message in self._slack.messages]

    def _mail_texts(self) -> list[str]:
        return [show.plain_text(mail.message) for mail in self._mail.mails]

    def _report(
        self, stage: Stage, played: Sequence[Played], usage: Mapping[str, Any], verified: Mapping[str, Any]
    ) -> None:
        console = self._console
        console.print(show.scenarios(played), show.slack(self._slack.messages), show.mails(self._mail.mails), sep="\n")
        console.print(show.numbers(stage, usage, verified))

    def _verdict(self, differences: Sequence[str]) -> None:
        for difference in differences:
            self._console.print(f"[red]differs[/red]  {escape(difference)}")
        self._console.print("[bold red]FAIL" if differences else "[bold green]PASS")

    def _keep(self, webhook: str) -> None:
        self._console.print(
            f"\nThe service stays up at {self._service.url}, and takes webhooks at {webhook}", soft_wrap=True
        )
        self._console.print("Ctrl-C ends it and removes its data.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
