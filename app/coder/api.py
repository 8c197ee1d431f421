"""The parts of Coder's REST API that counting and setup need: one method per request, with models as answers.

Meanings and parameters: Coder, docs/reference/api, coderd/searchquery and coderd/httpmw.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from pydantic import TypeAdapter

from app.coder.account import CoderAccount
from app.coder.errors import CoderApiError, Failure
from app.coder.history import CoderHistory
from app.coder.http import Bounds, CoderHttp
from app.core.coder.settings import (
    DeploymentConfig,
    DispatchMethods,
    EndpointUrl,
    Group,
    NotificationPreference,
    NotificationSettings,
    NotificationTemplate,
    User,
)
from app.core.coder.shapes import Build, BuildInfo, Entitlements, Task, TaskList, Workspace, WorkspaceList
from app.core.coder.values import Listed

__all__ = ["Bounds", "CoderApi", "CoderApiError", "Failure"]

_API: Final = "/api/v2"
# The second path was used before tasks became stable.
_TASKS: Final = (f"{_API}/tasks", "/api/experimental/tasks")
# A listing with more pages than this is endless.
_MOST_PAGES: Final = 10_000
# A name or an id as Coder makes them; above all, it cannot change the path.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BUILDS: Final = TypeAdapter(Listed[Build])
_TEMPLATES: Final = TypeAdapter(Listed[NotificationTemplate])
_GROUPS: Final = TypeAdapter(Listed[Group])
_PREFERENCES: Final = TypeAdapter(Listed[NotificationPreference])


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


I = TypeVar("I", bound=_Identified)  # noqa: E741 - an item
#: Requests one page, and returns its items and the total number of items, if Coder reports it.
Page = Callable[[Mapping[str, int]], tuple[list[I], int | None]]


class CoderApi:
    """The API of one deployment; up to four threads may use it at once.

    Every method raises CoderApiError, and no other error, if Coder does not answer as requested. An iterator raises it
    while it is read.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: str | Path | None = None,
        trusted: str | Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = 4,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    ) -> None:
        """Store the settings; no request is made yet.

        Raises:
            ValueError: the URL, the token or the file is invalid. The message does not repeat them.
        """
        self._http = CoderHttp(
            url, token, ca_file=ca_file, trusted=trusted, sleep=sleep, attempts=attempts, bounds=bounds
        )
        self.account: Final = CoderAccount(self._http, token)
        #: Coder's history of builds.
        self.history = CoderHistory(self._http)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.host})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def build_info(self) -> BuildInfo:
        return self._http.read(BuildInfo.model_validate_json, f"{_API}/buildinfo")

    def me(self) -> User:
        """Return the token's user."""
        return self._http.read(User.model_validate_json, f"{_API}/users/me")

    def entitlements(self) -> Entitlements:
        return self._http.read(Entitlements.model_validate_json, f"{_API}/entitlements")

    def workspaces(self, query: str, page_size: int = 100, offset: int = 0) -> Iterator[Workspace]:
        """Yield the workspaces that match a query, each once, without the first `offset` of them."""

        def page(window: Mapping[str, int]) -> tuple[list[Workspace], int | None]:
            found = self._http.read(WorkspaceList.model_validate_json, f"{_API}/workspaces", {"q": query, **window})
            return found.workspaces, found.count

        yield from _once(self._pages(page, page_size, offset))

    def workspace(self, workspace_id: str) -> Workspace:
        """Return one workspace, even if it is deleted."""
        path = f"{_API}/workspaces/{self._segment(workspace_id)}"
        return self._http.read(Workspace.model_validate_json, path, {"include_deleted": "true"})

    def builds(self, workspace_id: str, since_number: int = 0, page_size: int = 50) -> list[Build]:
        """Return the builds of a workspace that are newer than a number, in ascending order, even if it is deleted."""
        path = f"{_API}/workspaces/{self._segment(workspace_id)}/builds"
        found: dict[str, Build] = {}
        for builds in self._pages(
            lambda window: (self._http.read(_BUILDS.validate_json, path, window), None), page_size
        ):
            found |= {build.id: build for build in builds}
            # Builds are listed newest first and without gaps, so no newer ones can follow.
            if min(build.build_number for build in builds) <= since_number + 1:
                break
        newer = (build for build in found.values() if build.build_number > since_number)
        return sorted(newer, key=lambda build: build.build_number)

    def tasks(self) -> list[Task] | None:
        """Return all tasks; None if this Coder has none: it is older than tasks, or v2.37 and later."""
        for path in _TASKS:
            try:
                return self._http.read(TaskList.model_validate_json, path).tasks
            except CoderApiError as error:
                if error.kind is not Failure.NOT_FOUND:
                    raise
        return None

    def groups(self) -> dict[str, list[str]]:
        """Return user names by group; a name that several organizations use becomes `<organization>/<name>`.

        Raises:
            CoderApiError: NOT_FOUND if this Coder has no groups, which are a Premium feature.
        """
        found = self._http.read(_GROUPS.validate_json, f"{_API}/groups")
        shared = {name for name, times in Counter(group.name for group in found).items() if times > 1}
        return {
            f"{group.organization_name}/{group.name}" if group.name in shared else group.name: [
                member.username for member in group.members
            ]
            for group in found
        }

    def webhook_endpoint(self) -> EndpointUrl:
        """Return the URL to which Coder posts notifications; owners and auditors may read it."""
        path = f"{_API}/deployment/config"
        return self._http.read(DeploymentConfig.model_validate_json, path).config.notifications.webhook.endpoint

    def notification_templates(self) -> list[NotificationTemplate]:
        """Return the templates of Coder's own notifications."""
        return self._http.read(_TEMPLATES.validate_json, f"{_API}/notifications/templates/system")

    def dispatch_methods(self) -> tuple[list[str], str]:
        """Return the available methods for sending notifications, and the default one."""
        path = f"{_API}/notifications/dispatch-methods"
        found = self._http.read(DispatchMethods.model_validate_json, path)
        return found.available, found.default

    def notifications_paused(self) -> bool:
        settings = self._http.read(NotificationSettings.model_validate_json, f"{_API}/notifications/settings")
        return settings.notifier_paused

    def preferences(self, user: str) -> dict[str, bool]:
        """Return which templates a user (name, id or `me`) disabled (True) or enabled (False)."""
        found = self._http.read(_PREFERENCES.validate_json, self._preferences_of(user))
        return {preference.id: preference.disabled for preference in found}

    def set_preferences(self, user: str, disabled: Mapping[str, bool]) -> None:
        """Disable (True) or enable (False) templates for a user; the others stay as they are."""
        self._http.put(self._preferences_of(user), {"template_disabled_map": dict(disabled)})

    def set_template_method(self, template_id: str, method: str) -> None:
        """Set the method of one template, which Coder documents as a Premium feature."""
        path = f"{_API}/notifications/templates/{self._segment(template_id)}/method"
        self._http.put(path, {"method": method})

    def _preferences_of(self, user: str) -> str:
        return f"{_API}/users/{self._segment(user)}/notifications/preferences"

    def _segment(self, name: str) -> str:
        if not _SEGMENT.fullmatch(name):
            raise self._http.failure(Failure.NOT_FOUND, "what is no id and no name was looked for: Coder has no such")
        return name

    def _pages(self, page: Page[I], size: int, offset: int = 0) -> Iterator[list[I]]:
        """Yield pages until one is empty or equals the previous one, or all items that Coder counts were seen.

        The count is ignored while pages are full, because it may be capped, or older than the page.
        """
        before = [""]
        for _ in range(_MOST_PAGES):
            items, count = page({"limit": size, "offset": offset})
            ids = [item.id for item in items]
            if not ids or ids == before:
                return
            yield items
            offset += len(ids)
            if count is not None and len(ids) < size and offset >= count:
                return
            before = ids
        raise self._http.failure(Failure.BAD_ANSWER, "a listing of Coder's does not end")


def _once(pages: Iterable[Iterable[I]]) -> Iterator[I]:
    """Yield each item once: an item that is created between two pages shifts others to the next one."""
    seen: set[str] = set()
    for items in pages:
        for item in items:
            if item.id not in seen:
                seen.add(item.id)
                yield item
