"""The definition of an operation of the API, and one call of it."""

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
    """One validated request.

    Attributes:
        query: an instance of the operation's query model.
        path: the variable parts of the path, by name.
        body: an instance of the operation's body model; None if it has none, or none was sent.
        actor: who sent it, for the audit trail.
        only: the one deployment that they may see; empty for all.
    """

    store: Store
    config: Config
    query: Any
    path: Mapping[str, str]
    body: Any
    actor: str
    only: str = ""


View = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, from which its route and its OpenAPI description are made; see `operation`.

    Attributes:
        path: in OpenAPI's notation, below /api/v1.
        view: returns the answer, or raises Problem.
        description: what it does; the first sentence is its summary.
        problems: the reasons for other answers by status, besides those that every operation may give.
        private: whether caches must never store it, because it may contain parts of a notification.
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
        """The model of the answer, from the view's return annotation."""
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
    """Turn a view into an operation; arguments as for `Operation`."""
    return lambda view: Operation(method, path, view, description, **more)
