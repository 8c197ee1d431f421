"""The last day, played against the running service: real POSTs over an unreliable network, workers and messages."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app import clock
from app.demo.service import Service
from app.simulator.model import Build, Workspace
from app.simulator.month import Timeline
from app.simulator.notifications import Message, Outbox
from app.simulator.scenarios import SCENARIOS, Scenario
from app.simulator.sender import Faults, Report, Sender

NOT_ANNOUNCED: Final = "Coder sends no notification for such a start, and the documentation does not count it."
_BAD_NETWORK: Final = Faults(refused=0.2, unanswered=0.1, lease_lost=0.1)
#: One message in this many is sent again at the end, as after a lost lease.
_SENT_AGAIN: Final = 3
#: Seconds between two checks for what happens next while the page is left open.
_POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario and how the service counted it."""

    scenario: Scenario
    counted: bool
    why: str

    @property
    def as_documented(self) -> bool:
        return self.counted is self.scenario.counts


@dataclass(slots=True)
class Totals:
    """Everything posted so far."""

    posts: int = 0
    retries: int = 0
    repeated: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    given_up: int = 0

    def add(self, report: Report) -> None:
        self.posts += report.posts
        self.retries += report.retries
        self.repeated += report.repeated
        self.statuses += report.statuses
        self.given_up += len(report.given_up)


@dataclass(frozen=True, slots=True)
class _Staged:
    scenario: Scenario
    workspace: Workspace
    build: Build
    messages: Sequence[Message]


class Today:
    """Plays and delivers while the service counts.

    Attributes:
        messages: every notification of this day.
    """

    def __init__(self, timeline: Timeline, outbox: Outbox, service: Service, sender: Sender) -> None:
        self.totals = Totals()
        self.messages: list[Message] = []
        self._timeline = timeline
        self._world = timeline.world
        self._outbox = outbox
        self._service = service
        self._sender = sender
        self._staged: list[_Staged] = []

    def play_scenarios(self) -> None:
        """Play each row of the documentation's table."""
        self._staged = [self._stage(scenario) for scenario in SCENARIOS]

    def play_rest(self) -> None:
        """Play everything else up to now. The network is unreliable, so Coder has to retry."""
        self._timeline.play_until(clock.now())
        self._send(self._outbox.collect(), _BAD_NETWORK)
        self._send(self.messages[::_SENT_AGAIN], Faults())

    def judge(self) -> list[Played]:
        """Ask the service which scenarios it counted, and why; it must have reconciled first."""
        return [self._judge(staged) for staged in self._staged]

    def go_on(self, stop: threading.Event) -> None:
        """Keep the team working, in real time."""
        while not stop.wait(_POLL_SECONDS):
            self._timeline.play_until(clock.now())
            self._send(self._outbox.collect(), Faults())

    def _stage(self, scenario: Scenario) -> _Staged:
        prepared = None
        if scenario.prepare:
            prepared = scenario.prepare(self._world)
            self._world.pass_time(30)
            self._send(self._outbox.collect(), Faults())
        workspace = scenario.play(self._world, prepared)
        messages = self._outbox.collect()
        self._send(messages, Faults())
        self._world.pass_time(10)
        return _Staged(scenario, workspace, workspace.latest, messages)

    def _judge(self, staged: _Staged) -> Played:
        record = self._service.record(f"build:{staged.build.id}")
        if record is not None:
            return Played(staged.scenario, True, str(record["reason"]))
        delivery = self._service.delivery(staged.messages[0].id) if staged.messages else None
        why = str(delivery["verdict"]["reason"]) if delivery else NOT_ANNOUNCED
        return Played(staged.scenario, False, why)

    def _send(self, messages: Sequence[Message], faults: Faults) -> None:
        self.totals.add(self._sender.dispatch(messages, faults))
        known = {message.id for message in self.messages}
        self.messages += [message for message in messages if message.id not in known]
