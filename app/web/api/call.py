"""What an operation of the API is, and one call of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack, get_type_hints

from pydantic import BaseModel

from app.answers.shape import Answer
from app.config.load import Config
from app.store.store import Store
from app.web.api.requests import Query


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked.

    Attributes:
        query: an instance of the operation's model.
        path: variable parts of the path by name.
        body: an instance of the operation's model; None where it takes none, or none was sent.
        actor: who asks, for the audit trail.
    """

    store: Store
    config: Config
    query: Any
    path: Mapping[str, str]
    body: Any
    actor: str


View = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; routes and OpenAPI document are both made from it. `operation` makes one of a view.

    Attributes:
        path: as OpenAPI writes it, below /api/v1.
        view: returns the answer, or raises Problem.
        description: what it does; the first sentence is its summary.
        problems: why it answers otherwise, by status, besides what every operation may answer.
        private: never kept by any cache, for it may hold what was in a notification.
    """

    method: str
    path: str
    view: View
    description: str
    query: type[BaseModel] = Query
    body: type[BaseModel] | None = None
    body_required: bool = True
    status: int = 200
    problems: Mapping[int, str] = field(default_factory=dict)
    private: bool = False

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def answer(self) -> type[Answer]:
        """The model of the answer, as the view declares it."""
        model: type[Answer] = get_type_hints(self.view)["return"]
        return model


class _More(TypedDict, total=False):
    query: type[BaseModel]
    body: type[BaseModel]
    body_required: bool
    status: int
    problems: Mapping[int, str]
    private: bool


def operation(method: str, path: str, description: str, **more: Unpack[_More]) -> Callable[[View], Operation]:
    """Make a view an operation; arguments as of `Operation`."""
    return lambda view: Operation(method, path, view, description, **more)
