"""The paths of the API, who may read them, and their answers."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from app.simulator.api import accounts, settings, views
from app.simulator.api.audit import audit_log
from app.simulator.api.entitlements import entitlements
from app.simulator.api.jobs import provisioner_jobs
from app.simulator.api.lists import TASK_SEARCH, builds_page, matches, page_of, search_workspaces
from app.simulator.api.query import BadRequestError, boolean, terms
from app.simulator.api.request import AnswerError, Request, Right, no_route, not_found
from app.simulator.model import Build, User, Workspace
from app.simulator.versions import Behaviour
from app.simulator.world import World

Endpoint = Callable[[Request], Any]
#: Routes that a server without the enterprise code does not have.
_ENTERPRISE: Final = frozenset(
    {"/api/v2/entitlements", "/api/v2/groups", "/api/v2/notifications/templates/{id}/method"}
)


class Routes:
    """The endpoints of one world."""

    def __init__(self, world: World, tokens: accounts.Tokens, base_url: Callable[[], str]) -> None:
        self._world = world
        self._tokens = tokens
        self._base_url = base_url
        self._table: list[tuple[str, str, re.Pattern[str], Endpoint]] = []
        for method, pattern, answer in (
            ("GET", "/api/v2/users/me", self._me),
            ("GET", "/api/v2/users/{user}/keys/tokens/tokenconfig", lambda r: accounts.token_config(self._user(r))),
            ("GET", "/api/v2/users/{user}/keys/{id}", self._api_key),
            ("POST", "/api/v2/users/{user}/keys/tokens", self._make_token),
            ("GET", "/api/v2/organizations", lambda _: accounts.organizations(world)),
            ("GET", "/api/v2/organizations/{organization}/provisionerjobs", self._provisioner_jobs),
            ("GET", "/api/v2/groups", lambda _: accounts.groups(world)),
            ("GET", "/api/v2/entitlements", lambda _: entitlements(world)),
            ("GET", "/api/v2/tasks", lambda r: self._tasks(r, Behaviour.STABLE_TASKS)),
            ("GET", "/api/experimental/tasks", lambda r: self._tasks(r, Behaviour.EXPERIMENTAL_TASKS)),
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

    def find(self, method: str, path: str) -> tuple[str, tuple[str, ...], Endpoint] | None:
        """Return the pattern, the variables and the endpoint of a path; None for an unknown one."""
        for known, pattern, expression, answer in self._table:
            found = expression.fullmatch(path)
            if found and known == method:
                return None if self._world.agpl and pattern in _ENTERPRISE else (pattern, found.groups(), answer)
        return None

    def build_info(self) -> dict[str, Any]:
        """Answer the only endpoint that needs no token."""
        return {
            "external_url": "https://github.com/coder/coder",
            "version": "v{}.{}.{}".format(*self._world.version),
            "dashboard_url": self._base_url(),
            "telemetry": False,
            "workspace_proxy": False,
            "agent_api_version": "1.0",
            "provisioner_api_version": "1.15",
            "upgrade_message": "",
            "deployment_id": self._world.id,
        }

    def _me(self, request: Request) -> Any:
        return views.user(self._world, request.caller)

    def _api_key(self, request: Request) -> Any:
        return accounts.api_key(self._tokens, self._user(request), request.parts[1])

    def _make_token(self, request: Request) -> Any:
        return accounts.make_token(self._tokens, self._user(request), request.body)

    def _provisioner_jobs(self, request: Request) -> Any:
        name, organizations = request.parts[0], self._world.organizations
        names = [{one.id, one.name} for one in organizations]
        names[0].add("default")
        found = next((one for one, its in zip(organizations, names, strict=True) if name in its), None)
        if found is None or not request.has(Right.PROVISIONER_JOBS):
            raise not_found()
        return provisioner_jobs(self._world, found, request.parameters or {})

    def _deployment_config(self, request: Request) -> Any:
        request.need(Right.DEPLOYMENT_CONFIG)
        return settings.deployment_config(self._world)

    def _tasks(self, request: Request, where: Behaviour) -> Any:
        if not self._world.does(where):
            raise no_route()
        found = terms(request.get("q"), TASK_SEARCH, "status", "Invalid task search query.")
        owner = found.get("owner", "")
        owner = request.caller.username if owner == "me" else owner
        # Unlike workspaces, tasks of other users are hidden from a template admin.
        listed = [
            views.task(self._world, workspace, workspace.task)
            for workspace in self._world.workspaces
            if workspace.task
            and workspace.has_task
            and (request.has(Right.TASKS) or workspace.owner == request.caller)
            and owner in {"", workspace.owner.username, workspace.owner.id}
            and found.get("status", "") in {"", views.task_status(workspace)}
        ]
        listed.sort(key=lambda task: str(task["created_at"]), reverse=True)
        return {"tasks": listed, "count": len(listed)}

    def _workspaces(self, request: Request) -> Any:
        found = search_workspaces(request.get("q"))
        if found.get("owner") == "me":
            found["owner"] = request.caller.username
        by_task = self._world.does(Behaviour.FINDS_BY_TASK)
        chosen = [
            workspace
            for workspace in self._world.workspaces
            if workspace.builds
            and not workspace.deleted
            and request.sees(workspace)
            and matches(workspace, found, by_task=by_task)
        ]
        # Running workspaces come first, then by owner and name, so pages shift whenever a build ends.
        chosen.sort(key=lambda w: (views.status(w.latest) != "running", w.owner.username.lower(), w.name.lower()))
        listed = [views.workspace(self._world, workspace) for workspace in page_of(chosen, request.parameters or {})]
        return {"workspaces": listed, "count": len(chosen)}

    def _workspace(self, request: Request) -> Any:
        workspace = self._one(request, request.parts[0])
        include = boolean({"include_deleted": request.get("include_deleted") or "false"}, "include_deleted")
        if workspace.deleted and not include:
            raise AnswerError(HTTPStatus.GONE, f'Workspace "{workspace.id}" was deleted')
        return views.workspace(self._world, workspace)

    def _builds(self, request: Request) -> Any:
        workspace = self._one(request, request.parts[0])
        after = request.get("after_id")
        if after and self._find_build(after) is None:
            raise BadRequestError(f'Record at "after_id" ({after!r}) does not exist.')
        return [views.build(self._world, build) for build in builds_page(workspace, request.parameters or {})]

    def _build(self, request: Request) -> Any:
        build = self._find_build(request.parts[0])
        if build is None:
            raise not_found()
        self._one(request, build.workspace_id)
        return views.build(self._world, build)

    def _audit(self, request: Request) -> Any:
        request.need(Right.AUDIT_LOG)
        return audit_log(self._world, request.parameters or {})

    def _preferences(self, request: Request) -> Any:
        return settings.preferences(self._world, self._user(request))

    def _set_preferences(self, request: Request) -> Any:
        return settings.change_preferences(self._world, self._user(request), request.body)

    def _set_method(self, request: Request) -> Any:
        request.need(Right.METHODS)
        if not settings.known(self._world, request.parts[0]):
            raise not_found()
        if not settings.change_method(self._world, request.parts[0], request.body):
            raise AnswerError(HTTPStatus.NOT_MODIFIED, "")
        return {"message": "The template's method is changed."}

    def _one(self, request: Request, workspace_id: str) -> Workspace:
        workspace = self._world.workspace(workspace_id)
        if workspace is None or not workspace.builds or not request.sees(workspace):
            raise not_found()
        return workspace

    def _find_build(self, build_id: str) -> Build | None:
        builds = (build for workspace in self._world.workspaces for build in workspace.builds)
        return next((build for build in builds if build.id == build_id), None)

    def _user(self, request: Request) -> User:
        return accounts.user_of(self._world, request, others=request.has(Right.OTHER_USERS))
