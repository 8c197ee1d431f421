"""A round: a new meter, faults chosen by a seed, recovery without human help, and the check."""

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import short_directory, wait_until
from tests.faults.system import processes_of
from tests.torture.check import Outcome, unsettled, violations
from tests.torture.clock import Clock
from tests.torture.faults import FAULTS, BrokenPromiseError, Fault
from tests.torture.rig import Rig, may_mount
from tests.torture.traffic import PATIENCE, Sender, letters_of
from workers.scheduler import SWEEP_EVERY

#: By the meter's own clock, from the last fault until everything is counted, proved and sent.
RECOVERY_SECONDS = 2 * 3600
_KINDS = ("own", "always", "everysec")
_PER_SECOND = 30.0
#: With `appendfsync everysec` a killed server may lose what it confirmed this long before.
_FORGETFUL = 2.0
_STEP, _LONG_STEP, _SHORT_STEPS = 15, 45, 40


@dataclass(frozen=True)
class Plan:
    """A round as its seed chose it.

    Attributes:
        strict: only faults after which no message may come twice.
    """

    seed: int
    kind: str
    strict: bool
    coder: bool
    clock: bool
    disk: bool

    @classmethod
    def of(cls, seed: int) -> "Plan":
        kind = _KINDS[seed % 3]
        strict = seed % 4 == 3
        clock = not strict and seed % 4 == 1
        # A clock that jumps by months leaves a simulated Coder behind.
        return cls(
            seed, kind, strict, coder=not clock and seed % 2 == 0, clock=clock, disk=seed % 5 == 4 and may_mount()
        )

    @property
    def faults(self) -> list[Fault]:
        has = {"own" if self.kind == "own" else "wire"}
        has |= {name for name in ("coder", "clock", "disk") if getattr(self, name)}
        return [fault for fault in FAULTS if set(fault.needs.split()) <= has and not (self.strict and fault.doubles)]

    def __str__(self) -> str:
        words = [f"seed {self.seed}", "embedded Redis" if self.kind == "own" else f"Redis with {self.kind}"]
        words += [word for word in ("strict", "coder", "clock", "disk") if getattr(self, word)]
        return ", ".join(words)


@dataclass
class Result:
    """What a round found.

    Attributes:
        recovery: seconds by the meter's clock until everything was settled.
    """

    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    deliveries: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    recovery: float = 0.0
    messages: int = 0
    repeated: int = 0
    violations: list[str] = field(default_factory=list)


class Round:
    """Runs one plan.

    Args:
        seconds: of faults.
        most: faults after which it is enough.
        watch: called now and then with the faults so far.
    """

    def __init__(
        self, plan: Plan, clock: Clock, seconds: float, most: float = float("inf"), watch: Callable[[int], object] = int
    ) -> None:
        self.plan, self.clock, self.seconds, self.most, self.watch = plan, clock, seconds, most, watch
        self.rng = random.Random(plan.seed)
        self.result = Result(plan)
        self._doublings = 0
        self._forgetful: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    def run(self) -> Result:
        directory = short_directory()
        plan = self.plan
        # Without what earlier rounds did to the clock, or the seed would not repeat this round.
        self.clock.move(-self.clock.shift)
        rig = Rig(plan.kind, directory, self.clock, plan.seed, coder=plan.coder, disk=plan.disk)
        try:
            rig.enter(self._tally, period="monthly" if plan.clock else "lifetime")
            self._torture(rig)
            self._stop(rig)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be said
            self.result.violations.append(f"{type(error).__name__}: {error}")
        finally:
            rig.leave()
            if self.result.violations:
                self._keep_output(directory)
            shutil.rmtree(directory, ignore_errors=True)
        return self.result

    def _tally(self, name: str) -> None:
        with self._lock:
            self.result.faults[name] += 1
            self._doublings += name in ("slack: answer lost", "slack: answer late", "mail: answer lost")

    def _torture(self, rig: Rig) -> None:
        number = round(self.seconds * _PER_SECOND)
        sender = Sender(rig.system.port, random.Random(self.plan.seed), _PER_SECOND, self._tally)
        with sender:
            sender.add(letters_of(self.rng, number))
            self._inject(rig, sender)
            self._heal(rig)
            sender.hurry()
            wait_until(lambda: not sender.left, 600)
            self._recover(rig, sender)
        self.result.deliveries = sum(letter.taken_at > 0 for letter in sender.letters)
        self.result.requests, self.result.slowest = sender.statuses, sender.slowest
        if sender.hung:
            self.result.violations.append(f"{sender.hung} posts had no answer within {PATIENCE:.0f} s")

    def _inject(self, rig: Rig, sender: Sender) -> None:
        faults = self.plan.faults
        weights = [fault.weight for fault in faults]
        until = time.monotonic() + self.seconds
        while time.monotonic() < until and sum(self.result.faults.values()) < self.most:
            [fault] = self.rng.choices(faults, weights)
            self._one(rig, fault)
            if rig.team:
                sender.add(rig.team.step(self.clock.now()))
            self.watch(sum(self.result.faults.values()))
            time.sleep(self.rng.uniform(0.0, 0.3))

    def _one(self, rig: Rig, fault: Fault) -> None:
        begun = time.monotonic()
        # Each fault has its own random numbers, so the duration of other faults does not change them.
        chances = random.Random(self.rng.random())
        try:
            met = int(fault.inject(rig, chances))
        except BrokenPromiseError as error:
            self.result.violations.append(f"{fault.name}: {error}")
            raise
        with self._lock:
            self.result.faults[fault.name] += met
            self._doublings += met if fault.doubles else 0
        if self.plan.kind == "everysec" and met and ("Redis" in fault.name or "disk" in fault.name):
            self._forgetful.append((begun - _FORGETFUL, time.monotonic()))

    @staticmethod
    def _heal(rig: Rig) -> None:
        rig.slack.heal()
        rig.mail.heal()
        if rig.wire:
            rig.wire.heal()

    def _recover(self, rig: Rig, sender: Sender) -> None:
        """Let the meter's clock run fast until nothing is left to do, and check what it did."""
        if rig.team:
            with rig.team.world.lock:
                rig.team.finish()
        ours = [letter for letter in sender.letters if letter.path.endswith("estimated")]
        began = self.clock.shift
        with rig.connection() as connection:
            rig.wait_ready()
            left = self._fast_forward(lambda: unsettled(rig, connection, ours), began)
            self.result.recovery = self.clock.shift - began
            # A sweep later there is still nothing new.
            self.clock.move(SWEEP_EVERY + 5)
            time.sleep(2.0)
            if left:
                self.result.violations.append(f"after {RECOVERY_SECONDS} s: {'; '.join(left)}")
            outcome = Outcome(ours, self._doublings, not self.plan.clock, self._forgetful)
            self.result.violations += violations(rig, connection, outcome)
        texts, subjects = rig.slack.texts, rig.mail.subjects
        self.result.messages = len(texts) + len(subjects)
        self.result.repeated = self.result.messages - len(set(texts)) - len(set(subjects))

    def _fast_forward(self, look: Callable[[], list[str]], began: int) -> list[str]:
        steps = 0
        while (left := look()) and self.clock.shift - began < RECOVERY_SECONDS:
            time.sleep(0.5)
            steps += 1
            self.clock.move(_STEP if steps < _SHORT_STEPS else _LONG_STEP)
            self.watch(sum(self.result.faults.values()))
        return left

    def _stop(self, rig: Rig) -> None:
        assert rig.system.supervisor is not None
        rig.system.supervisor.terminate()
        code = rig.system.supervisor.wait(300)
        if code:
            self.result.violations.append(f"awb run ended with {code}")
        for process in rig.doubles:
            process.terminate()
        for process in rig.doubles:
            with suppress(Exception):
                process.wait(30)
        left = processes_of(rig.system.data_dir)
        if left:
            self.result.violations.append(f"{len(left)} processes were left behind")

    def _keep_output(self, directory: Path) -> None:
        with suppress(OSError):
            text = (directory / "data" / "output.txt").read_text(encoding="utf-8", errors="replace")
            kept = Path(f"/tmp/torture-{self.plan.seed}.log")
            kept.write_text(text, encoding="utf-8")
            self.result.violations.append(f"what the meter said: {kept}")
