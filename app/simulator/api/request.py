"""One request to the simulated API, what its caller may read, and error answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from app.simulator.model import Role, User, Workspace

_NO_PERMISSION: Final = "You don't have permission to view this content."


class Right(StrEnum):
    """A right that only some roles have."""

    #: Read every workspace and its builds, including deleted ones.
    WORKSPACES = "workspaces"
    TASKS = "tasks"
    AUDIT_LOG = "audit log"
    DEPLOYMENT_CONFIG = "deployment config"
    PROVISIONER_JOBS = "provisioner jobs"
    METHODS = "methods of notification templates"
    OTHER_USERS = "other users"


#: The roles that have each right, as seen on v2.31.9. Other users see only what they own.
_HOLDERS: Final[Mapping[Right, frozenset[Role]]] = {
    Right.WORKSPACES: frozenset({Role.OWNER, Role.TEMPLATE_ADMIN, Role.ORGANIZATION_TEMPLATE_ADMIN}),
    Right.TASKS: frozenset({Role.OWNER}),
    Right.AUDIT_LOG: frozenset({Role.OWNER, Role.AUDITOR}),
    Right.DEPLOYMENT_CONFIG: frozenset({Role.OWNER, Role.AUDITOR}),
    Right.PROVISIONER_JOBS: frozenset({Role.OWNER, Role.ORGANIZATION_TEMPLATE_ADMIN}),
    Right.METHODS: frozenset({Role.OWNER}),
    Right.OTHER_USERS: frozenset({Role.OWNER}),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request whose path matched a route.

    Attributes:
        caller: the user whose token it carries.
        parts: the values of the variables in the path.
        body: the parsed JSON body; None if there is none.
    """

    caller: User
    parts: tuple[str, ...] = ()
    parameters: Mapping[str, str] | None = None
    body: Any = None

    def get(self, key: str) -> str:
        return (self.parameters or {}).get(key, "")

    def has(self, right: Right) -> bool:
        return bool(_HOLDERS[right] & self.caller.roles)

    def need(self, right: Right) -> None:
        """Require a right.

        Raises:
            AnswerError: 403 if the caller does not have it.
        """
        if not self.has(right):
            raise AnswerError(HTTPStatus.FORBIDDEN, "Forbidden.", _NO_PERMISSION)

    def sees(self, workspace: Workspace) -> bool:
        """Return whether the caller may read a workspace: their own until it is deleted, or any with the right."""
        return self.has(Right.WORKSPACES) or (workspace.owner == self.caller and not workspace.deleted)


class AnswerError(Exception):
    """Any answer other than 200."""

    def __init__(self, status: HTTPStatus, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


def not_found() -> AnswerError:
    return AnswerError(HTTPStatus.NOT_FOUND, "Resource not found or you do not have access to this resource")


def no_route() -> AnswerError:
    return AnswerError(HTTPStatus.NOT_FOUND, "Route not found.")
