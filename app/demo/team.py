"""The data of the demo: a team that adopts Coder Tasks, and a licence whose limit will not last."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.simulator.licence import Licence
from app.simulator.model import Role, User
from app.simulator.month import Timeline
from app.simulator.world import World

#: Extra days for a page that is left open, and the days from today to the end of the period.
_FUTURE_DAYS: Final = 14
_DAYS_LEFT: Final = 29
LIMIT: Final = 1000
#: New tasks per working day, at the start and today.
_TASKS: Final = (2.5, 5.5)
#: Users and their numbers of tasks, which differ as in a real team.
_SHARES: Final = {
    "ci-pipeline": 5, "ada": 4, "chen": 3, "dewi": 3, "grace": 2, "hugo": 2, "bobby": 2, "emil": 1, "farah": 1,
    "ines": 2, "jonas": 1, "kira": 1,
}  # fmt: skip
_NEW_HERE: Final = ("ines", "jonas", "kira")


@dataclass(frozen=True, slots=True)
class Team:
    """A deployment in which nothing has happened yet.

    Attributes:
        timeline: the upcoming actions, from the first day on.
        meter: the account whose token the meter uses.
    """

    world: World
    timeline: Timeline
    meter: User
    seed: int


def make_team(now: datetime, past: int, seed: int) -> Team:
    """Create a deployment that starts the given number of days ago, so that its last day is today."""
    start = (now - timedelta(days=past)).replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(seed, start=start)
    end = start + timedelta(days=past + _DAYS_LEFT)
    world.licence = Licence(limit=LIMIT, period_start=start, period_end=end, issued_at=start)
    world.add_organization("data-science", "codex-tasks", "vscode-jupyter")
    for name in _NEW_HERE:
        world.add_user(name)
    meter = world.add_user("awb-meter", Role.TEMPLATE_ADMIN, Role.AUDITOR)
    days = past + _FUTURE_DAYS
    first, last = _TASKS
    growing = [first + (last - first) * min(day / past, 1) for day in range(days)]
    people = [world.user(name) for name, share in _SHARES.items() for _ in range(share)]
    return Team(world, Timeline(world, days=days, tasks_per_day=growing, people=people), meter, seed)
