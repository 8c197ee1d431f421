"""A world that plays against the real service, and what is to be seen of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.count.rules import Rule
from app.simulator.estimate import Estimator
from app.simulator.model import Happening, Workspace
from app.simulator.notifications import Message, Outbox
from app.simulator.scenarios import Scenario
from app.simulator.sender import Faults, Report, Sender
from app.simulator.service import Service
from app.simulator.traffic import Traffic
from app.simulator.world import World

NOT_ANNOUNCED = "Coder sends no notification of such a start, and the documentation does not count it."


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario and what the service made of it."""

    scenario: Scenario
    counted: bool
    why: str

    @property
    def as_documented(self) -> bool:
        return self.counted is self.scenario.counts


@dataclass(slots=True)
class Totals:
    """Everything posted so far."""

    messages: int = 0
    posts: int = 0
    retries: int = 0
    repeated: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    given_up: int = 0

    def add(self, report: Report) -> None:
        self.messages += len(report.delivered)
        self.posts += report.posts
        self.retries += report.retries
        self.repeated += report.repeated
        self.statuses += report.statuses
        self.given_up += len(report.given_up)


class Stage:
    """Plays scenarios and traffic, and waits each time until the service has counted what it was sent."""

    def __init__(self, world: World, service: Service, sender: Sender, rules: Sequence[Rule]) -> None:
        templates = frozenset(template.name.casefold() for template in world.templates if template.ai)
        self.world = world
        self.outbox = Outbox(world)
        self.totals = Totals()
        #: What the meter must say of the messages that were delivered, and of those that were enqueued.
        self.delivered = Estimator(rules, templates)
        self._enqueued = Estimator(rules, templates)
        self._service = service
        self._sender = sender

    @property
    def silent_awbs(self) -> list[Happening]:
        """True Agent Workspace Builds that no notification of their own told of."""
        return [h for h in self.outbox.silent if h.build is not None and h.build.counts]

    def play(self, scenario: Scenario) -> Played:
        """Play one scenario, and ask the service whether it counted it and why."""
        prepared = None
        if scenario.prepare:
            prepared = scenario.prepare(self.world)
            self._deliver(self.outbox.collect())
            self.world.pass_time(30)
        before = len(self._service.records_of(prepared.id)) if prepared else 0
        workspace = scenario.play(self.world, prepared)
        messages = self.outbox.collect()
        self._deliver(messages)
        self.world.pass_time(10)
        return Played(scenario, *self._verdict(workspace, messages, before))

    def play_until(self, target: int, *, failures: bool, faults: Faults) -> None:
        """Let people work until the messages they cause are worth the target, then deliver them."""
        traffic = Traffic(self.world, failures=failures)
        messages: list[Message] = []
        while self._enqueued.total < target:
            traffic.step()
            news = self.outbox.collect()
            for message in news:
                self._enqueued.add(message.body)
            messages += news
        self._deliver(messages, faults, planned=True)

    def send_again(self, share: int) -> int:
        """Send one of so many earlier messages once more, as after lost leases, and return how many that were."""
        again = self.outbox.messages[::share]
        self._deliver(again, planned=True)
        return len(again)

    def _deliver(self, messages: Sequence[Message], faults: Faults | None = None, *, planned: bool = False) -> None:
        if not planned:
            for message in messages:
                self._enqueued.add(message.body)
        report = self._sender.dispatch(messages, faults)
        self.totals.add(report)
        for message in report.delivered:
            self.delivered.add(message.body)
        waiting = [message.id for message in report.delivered]

        def classified() -> bool:
            while waiting and self._service.delivery(waiting[-1]) is not None:
                waiting.pop()
            return not waiting

        self._service.wait_for(classified, "every delivery to be classified")
        self._service.wait_used(self.delivered.total)

    def _verdict(self, workspace: Workspace, messages: Sequence[Message], before: int) -> tuple[bool, str]:
        ids = {message.id for message in messages}
        records = self._service.records_of(workspace.id)
        telling = [record for record in records if ids & set(record["deliveries"])]
        if len(records) > before:
            return True, str((telling or records)[-1]["reason"])
        delivery = self._service.delivery(messages[0].id) if messages else None
        return False, str(delivery["verdict"]["reason"]) if delivery else NOT_ANNOUNCED
