"""The state of a simulated deployment apart from builds: version, licence, users, templates, settings and clock."""

import random
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from app.simulator.catalogue import CATALOGUE, TASK_STATUS, NotificationTemplate
from app.simulator.licence import AgentHours, Licence, Seats, UsageEvent
from app.simulator.model import Organization, Role, Template, User
from app.simulator.versions import CURRENT, Behaviour, Version, does

STATUS_EVENTS: Final = frozenset({"Task Working", "Task Idle", "Task Completed", "Task Failed"})
AI_TEMPLATES: Final = ("claude-code-tasks", "codex-tasks")
ORDINARY_TEMPLATES: Final = ("vscode-jupyter", "cursor-claude-cli", "ai-bridge-boundaries", "go-backend")
_PEOPLE: Final = ("ada", "bobby", "chen", "dewi", "emil", "farah", "grace", "hugo")
START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_REFRESH: Final = timedelta(minutes=10)


class Deployment:
    """A Coder deployment without any builds yet.

    Attributes:
        now: the world's clock. It moves only through calls and the duration of builds.
        usage: Coder's own record of Agent Workspace Builds.
        usage_since: the start of that record, if later than the deployment's.
        webhook_endpoint: the URL to which Coder posts webhook notifications.
        agpl: built without the enterprise code: no licence, audit entries, groups, usage events or template methods.
        default_method: the notification method of templates that have none in `methods`.
        preferences: for each user id, the notification templates (ids) that the user disabled or enabled.
        lock: held during every change; other threads take it to read.
    """

    def __init__(
        self, seed: int, *, start: datetime = START, display_names: bool = False, version: Version = CURRENT
    ) -> None:
        """Create the users and templates; no build exists yet.

        Args:
            seed: the same seed and the same actions give the same world, including ids.
            start: the initial time of the world's clock.
            display_names: give templates a display name that differs from their name.
            version: the version of Coder.
        """
        self.rng = random.Random(seed)
        self.now = start
        self.version = version
        self.lock = threading.RLock()
        self.usage: list[UsageEvent] = []
        self.usage_since: datetime | None = None
        self.agent_hours: AgentHours | None = None
        self.ai_seats: Seats | None = None
        self.default_method = "webhook"
        self.webhook_endpoint = "https://coder:a-secret@awb.example.com/v1/webhook"
        self.notifier_paused = False
        self.agpl = False
        self.methods: dict[str, str] = {}
        self.preferences: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        self._started = self._refreshed = start
        self._licence: Licence | None = None
        self.id = self.new_id()
        self.organizations = [Organization(self.id, "coder", "Coder")]
        self.users = self._make_users()
        self.prebuilds_user = User("c42fdf75-3097-471c-8c33-fb52454d81c0", "prebuilds", "Prebuilds Owner")
        self.templates = [
            Template(
                id=self.new_id(),
                name=name,
                version=f"v{self.rng.randint(1, 9)}",
                version_id=self.new_id(),
                organization=self.organizations[0],
                ai=name in AI_TEMPLATES,
                display_name=name.replace("-", " ").title() if display_names else "",
            )
            for name in AI_TEMPLATES + ORDINARY_TEMPLATES
        ]

    @property
    def licence(self) -> Licence | None:
        """The licence; None for Community. Setting a licence refreshes the entitlements at once."""
        return self._licence

    @licence.setter
    def licence(self, licence: Licence | None) -> None:
        self._licence = licence
        self._refreshed = self.now

    @property
    def refreshed_at(self) -> datetime:
        """Return when the entitlements were last computed: every 10 minutes, and on every forced refresh."""
        return max(self._refreshed, self.now - (self.now - self._started) % _REFRESH)

    def does(self, behaviour: Behaviour) -> bool:
        """Return whether this version of Coder has a behaviour."""
        return does(self.version, behaviour)

    @property
    def actual(self) -> int | None:
        """Return Coder's own count as of the last refresh; None if it reports none."""
        licence, at = self._licence, self.refreshed_at
        if licence is None or licence.expired(at) or not licence.entitled:
            return None
        return sum(event.count for event in self.usage if event.at <= at and licence.covers(event.at))

    @property
    def organization_id(self) -> str:
        """The id of the default organization."""
        return self.organizations[0].id

    @property
    def admins(self) -> list[User]:
        """Owners and template admins, who are notified of new workspaces."""
        return [user for user in self.users if user.roles & {Role.OWNER, Role.TEMPLATE_ADMIN}]

    @property
    def developers(self) -> list[User]:
        return [user for user in self.users if not user.roles]

    def add_user(self, username: str, *roles: Role) -> User:
        """Add a user, without affecting what the seed generates."""
        user = User(str(uuid5(UUID(self.id), username)), username, username.title(), frozenset(roles))
        self.users.append(user)
        return user

    def add_organization(self, name: str, *templates: str) -> Organization:
        """Add an organization with some of the templates, without affecting what the seed generates."""
        organization = Organization(str(uuid5(UUID(self.id), f"organization {name}")), name, name.title())
        self.organizations.append(organization)
        for template in templates:
            self.template(template).organization = organization
        return organization

    def new_id(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def user(self, username: str) -> User:
        return next(user for user in self.users if user.username == username)

    def template(self, name: str) -> Template:
        return next(template for template in self.templates if template.name == name)

    def pass_time(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def advance_to(self, at: datetime) -> None:
        """Move the clock forward to a time; it never goes back."""
        self.now = max(self.now, at)

    def has_template(self, template: NotificationTemplate) -> bool:
        """Return whether this version has a notification template."""
        return template.since <= self.version and (template.until is None or self.version < template.until)

    def method_of(self, template: NotificationTemplate) -> str:
        return self.methods.get(template.id) or self.default_method

    @property
    def known_templates(self) -> list[NotificationTemplate]:
        """The notification templates of this version."""
        return [template for template in CATALOGUE if self.has_template(template)]

    def on_by_default(self, template: NotificationTemplate) -> bool:
        return template.on or (template in TASK_STATUS.values() and not self.does(Behaviour.QUIET_STATUS))

    def notifies(self, user: User, template: NotificationTemplate) -> bool:
        """Return whether a notification of this template is enqueued for a user."""
        disabled = self.preferences[user.id].get(template.id)
        wanted = self.on_by_default(template) if disabled is None else not disabled
        return wanted and self.has_template(template)

    def _make_users(self) -> list[User]:
        """Create admins of each role, a pipeline's account, and developers, some with status messages on."""
        enabled = frozenset({"Workspace Created", "Workspace Manually Updated"})
        users = [
            User(self.new_id(), "olivia", "Olivia Owner", frozenset({Role.OWNER}), enabled),
            User(self.new_id(), "tariq", "Tariq Admin", frozenset({Role.TEMPLATE_ADMIN}), enabled),
            User(self.new_id(), "uma", "", frozenset({Role.OWNER, Role.TEMPLATE_ADMIN}), enabled),
            User(self.new_id(), "ci-pipeline", "CI pipeline"),
        ]
        for username in _PEOPLE:
            follows = STATUS_EVENTS if self.rng.random() < 0.5 else frozenset[str]()  # noqa: PLR2004 - half of them
            users.append(User(self.new_id(), username, username.title(), frozenset(), follows))
        for user in users:
            wanted = {template.id: False for template in CATALOGUE if template.name in user.opted_in}
            self.preferences[user.id].update(wanted)
        return users
