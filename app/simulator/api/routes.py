"""Which paths there are, who may read them, and what they answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from app.simulator.api import settings, views
from app.simulator.api.audit import audit_log
from app.simulator.api.entitlements import entitlements
from app.simulator.api.lists import TASK_SEARCH, builds_page, matches, page_of, search_workspaces
from app.simulator.api.query import BadRequestError, boolean, terms
from app.simulator.deployment import TASKLESS
from app.simulator.model import Build, Role, User, Workspace
from app.simulator.world import World

#: The first release with the tasks in the stable API, and the first that has them nowhere else.
_STABLE_TASKS: Final = (2, 28, 0)
_NO_EXPERIMENT: Final = (2, 29, 0)


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where Coder's versions or its documentation differ.

    Attributes:
        deleted_key: `/workspaces?q=deleted:true` is understood; else it is a wrong query.
        ai_task_by_task: `has-ai-task:true` finds what ever had a task, instead of looking at the latest build.
        wrapped_ids: optional ids are written as `{"uuid": …, "valid": …}`.
    """

    deleted_key: bool = True
    ai_task_by_task: bool = False
    wrapped_ids: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whose path matched a route.

    Attributes:
        caller: whose token it bore.
        parts: what stands for the variables in the path.
        body: parsed JSON; None without any.
    """

    caller: User
    parts: tuple[str, ...] = ()
    parameters: Mapping[str, str] | None = None
    body: Any = None

    @property
    def owner(self) -> bool:
        """Tell whether the caller has the site role that may read everything."""
        return Role.OWNER in self.caller.roles

    def get(self, key: str) -> str:
        return (self.parameters or {}).get(key, "")


class AnswerError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: HTTPStatus, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


class Routes:
    """The endpoints over one world."""

    def __init__(self, world: World, quirks: Quirks, base_url: Callable[[], str]) -> None:
        self._world = world
        self._quirks = quirks
        self._base_url = base_url
        self._table: list[tuple[str, str, re.Pattern[str], Callable[[Request], Any]]] = []
        for method, pattern, answer in (
            ("GET", "/api/v2/users/me", self._me),
            ("GET", "/api/v2/entitlements", lambda _: entitlements(world)),
            ("GET", "/api/v2/tasks", self._stable_tasks),
            ("GET", "/api/experimental/tasks", self._experimental_tasks),
            ("GET", "/api/v2/workspaces", self._workspaces),
            ("GET", "/api/v2/workspaces/{id}", self._workspace),
            ("GET", "/api/v2/workspaces/{id}/builds", self._builds),
            ("GET", "/api/v2/workspacebuilds/{id}", self._build),
            ("GET", "/api/v2/audit", self._audit),
            ("GET", "/api/v2/deployment/config", self._deployment_config),
            ("GET", "/api/v2/notifications/templates/system", lambda _: settings.templates(world)),
            ("GET", "/api/v2/notifications/dispatch-methods", lambda _: settings.dispatch_methods(world)),
            ("GET", "/api/v2/notifications/settings", lambda _: {"notifier_paused": world.notifier_paused}),
            ("PUT", "/api/v2/notifications/templates/{id}/method", self._set_method),
            ("GET", "/api/v2/users/{user}/notifications/preferences", self._preferences),
            ("PUT", "/api/v2/users/{user}/notifications/preferences", self._set_preferences),
        ):
            self._table.append((method, pattern, re.compile(re.sub(r"\{\w+\}", "([^/]+)", pattern)), answer))

    def find(self, method: str, path: str) -> tuple[str, tuple[str, ...], Callable[[Request], Any]] | None:
        """Return pattern, variables and endpoint of a path."""
        for known, pattern, expression, answer in self._table:
            found = expression.fullmatch(path)
            if found and known == method:
                return pattern, found.groups(), answer
        return None

    def build_info(self) -> dict[str, Any]:
        """Answer the one endpoint that needs no token."""
        major, minor, patch = self._world.version
        version = f"v{major}.{minor}.{patch}+0a1b2c3"
        return {
            "version": version,
            "external_url": "https://github.com/coder/coder/commit/0a1b2c3",
            "dashboard_url": self._base_url(),
            "deployment_id": self._world.id,
            "telemetry": False,
            "workspace_proxy": False,
            "agent_api_version": "1.0",
            "provisioner_api_version": "1.11",
            "upgrade_message": "",
            "webpush_public_key": "",
        }

    def _me(self, request: Request) -> Any:
        return views.user(self._world, request.caller)

    def _deployment_config(self, request: Request) -> Any:
        if Role.OWNER not in request.caller.roles:
            raise AnswerError(HTTPStatus.FORBIDDEN, "Forbidden.")
        return settings.deployment_config(self._world)

    def _stable_tasks(self, request: Request) -> Any:
        if not _STABLE_TASKS <= self._world.version < TASKLESS:
            raise AnswerError(HTTPStatus.NOT_FOUND, "Route not found.")
        return self._tasks(request)

    def _experimental_tasks(self, request: Request) -> Any:
        if self._world.version >= _NO_EXPERIMENT:
            raise AnswerError(HTTPStatus.NOT_FOUND, "Route not found.")
        return self._tasks(request)

    def _tasks(self, request: Request) -> Any:
        message = "Invalid task search query."
        found = terms(request.get("q"), TASK_SEARCH, "status", message)
        owner = found.get("owner", "")
        owner = request.caller.username if owner == "me" else owner
        listed = [
            views.task(self._world, workspace, workspace.task, wrapped_ids=self._quirks.wrapped_ids)
            for workspace in self._visible(request)
            if workspace.task
            and workspace.has_task
            and owner in {"", workspace.owner.username, workspace.owner.id}
            and found.get("status", "") in {"", views.task_status(workspace)}
        ]
        listed.sort(key=lambda task: str(task["created_at"]), reverse=True)
        return {"tasks": listed, "count": len(listed)}

    def _workspaces(self, request: Request) -> Any:
        found = search_workspaces(request.get("q"), deleted_key=self._quirks.deleted_key)
        if found.get("owner") == "me":
            found["owner"] = request.caller.username
        deleted = bool(boolean(found, "deleted"))
        chosen = [
            workspace
            for workspace in self._visible(request, deleted=deleted)
            if workspace.deleted is deleted and matches(workspace, found, by_task=self._quirks.ai_task_by_task)
        ]
        # What runs comes first, then by owner and name: pages shift whenever a build ends.
        chosen.sort(key=lambda w: (views.status(w.latest) != "running", w.owner.username.lower(), w.name.lower()))
        page = page_of(chosen, request.parameters or {})
        wrapped = self._quirks.wrapped_ids
        listed = [views.workspace(self._world, workspace, wrapped_ids=wrapped) for workspace in page]
        return {"workspaces": listed, "count": len(chosen)}

    def _workspace(self, request: Request) -> Any:
        workspace = self._one(request, request.parts[0])
        include = boolean({"include_deleted": request.get("include_deleted") or "false"}, "include_deleted")
        if workspace.deleted and not include:
            raise AnswerError(HTTPStatus.GONE, f"Workspace {workspace.id!r} was deleted: see include_deleted.")
        return views.workspace(self._world, workspace, wrapped_ids=self._quirks.wrapped_ids)

    def _builds(self, request: Request) -> Any:
        workspace = self._one(request, request.parts[0])
        after = request.get("after_id")
        if after and self._find_build(after) is None:
            raise BadRequestError(f'Record at "after_id" ({after!r}) does not exist.')
        return [views.build(self._world, build) for build in builds_page(workspace, request.parameters or {})]

    def _build(self, request: Request) -> Any:
        build = self._find_build(request.parts[0])
        if build is None:
            raise _not_found()
        self._one(request, build.workspace_id)
        return views.build(self._world, build)

    def _audit(self, request: Request) -> Any:
        licence = self._world.licence
        if licence is None or licence.expired(self._world.now):
            raise AnswerError(HTTPStatus.FORBIDDEN, "Audit logs are a Premium feature.")
        self._need_owner(request)
        return audit_log(self._world, request.parameters or {})

    def _preferences(self, request: Request) -> Any:
        return settings.preferences(self._world, self._user(request))

    def _set_preferences(self, request: Request) -> Any:
        return settings.change_preferences(self._world, self._user(request), request.body)

    def _set_method(self, request: Request) -> Any:
        self._need_owner(request)
        if self._world.licence is None:
            raise AnswerError(HTTPStatus.FORBIDDEN, "A method of its own for a template is a Premium feature.")
        if not settings.known(self._world, request.parts[0]):
            raise _not_found()
        if not settings.change_method(self._world, request.parts[0], request.body):
            raise AnswerError(HTTPStatus.NOT_MODIFIED, "")
        return {"message": "The template's method is changed."}

    def _visible(self, request: Request, *, deleted: bool = False) -> list[Workspace]:
        """Return what the caller may see: owners everything, others their own as long as it exists."""
        workspaces = [workspace for workspace in self._world.workspaces if workspace.builds]
        if request.owner:
            return workspaces
        return [] if deleted else [w for w in workspaces if w.owner == request.caller and not w.deleted]

    def _one(self, request: Request, workspace_id: str) -> Workspace:
        workspace = self._world.workspace(workspace_id)
        if workspace is None or not workspace.builds:
            raise _not_found()
        if not request.owner and (workspace.owner != request.caller or workspace.deleted):
            raise _not_found()
        return workspace

    def _find_build(self, build_id: str) -> Build | None:
        builds = (build for workspace in self._world.workspaces for build in workspace.builds)
        return next((build for build in builds if build.id == build_id), None)

    def _user(self, request: Request) -> User:
        name = request.parts[0]
        user = next((user for user in self._world.users if name in {user.id, user.username}), None)
        if name == "me":
            return request.caller
        if user is None or not (request.owner or user == request.caller):
            raise _not_found()
        return user

    def _need_owner(self, request: Request) -> None:
        if not request.owner:
            raise AnswerError(HTTPStatus.FORBIDDEN, "Forbidden.")


def _not_found() -> AnswerError:
    return AnswerError(HTTPStatus.NOT_FOUND, "Resource not found or you do not have access to this resource")
