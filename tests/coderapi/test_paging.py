"""Listings that come in pages, while what they list changes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import responses

from app.coder import api as coderapi
from app.coder.api import Failure
from tests.coderapi.server import V2, api, as_json, failure_of
from tests.coderapi.test_methods import build

#: Answers the n-th request for a page with items and a count.
Lister = Callable[[int, int, int], tuple[Sequence[str], int | None]]


def serve(coder: responses.RequestsMock, lister: Lister, path: str = "workspaces", key: str = "workspaces") -> None:
    turn = 0

    def page(request: Any) -> tuple[int, dict[str, str], bytes]:
        nonlocal turn
        limit, offset = int(request.params["limit"]), int(request.params["offset"])
        ids, count = lister(turn, limit, offset)
        turn += 1
        items = [{"id": name, "time": "2026-03-01T12:00:00Z"} for name in ids]
        return 200, {}, as_json({key: items} | ({} if count is None else {"count": count}))

    coder.add_callback("GET", f"{V2}/{path}", page)


def listing(names: Sequence[str], count: int | None = None, most: int = 1000) -> Lister:
    """Return what Coder does with a list that nobody changes."""
    total = len(names) if count is None else count
    return lambda _turn, limit, offset: (names[offset : offset + min(limit, most)], total)


def names(number: int) -> list[str]:
    return [f"w{index}" for index in range(number)]


def found(page_size: int = 10) -> list[str]:
    return [workspace.id for workspace in api().workspaces("has-ai-task:true", page_size)]


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 19, 20, 21, 100])
def test_every_page_is_read(coder: responses.RequestsMock, number: int) -> None:
    serve(coder, listing(names(number)))
    assert found() == names(number)


def test_a_listing_that_fits_on_a_page_is_one_request(coder: responses.RequestsMock) -> None:
    serve(coder, listing(names(9)))
    assert found() == names(9)
    assert len(coder.calls) == 1
    assert (coder.calls[0].request.url or "").endswith("?q=has-ai-task%3Atrue&limit=10&offset=0")


@pytest.mark.parametrize("count", [0, 1, 24, 26, 10_000, -1])
def test_a_count_that_lies_loses_nothing(coder: responses.RequestsMock, count: int) -> None:
    serve(coder, listing(names(25), count))
    assert found() == names(25)
    assert len(coder.calls) <= 4


def test_a_listing_without_count_ends_with_an_empty_page(coder: responses.RequestsMock) -> None:
    serve(coder, lambda _turn, limit, offset: (names(25)[offset : offset + limit], None))
    assert found() == names(25)
    assert len(coder.calls) == 4


def test_pages_shorter_than_asked_for_are_followed(coder: responses.RequestsMock) -> None:
    serve(coder, listing(names(25), most=7))
    assert found() == names(25)


def test_a_list_that_grows_meanwhile_gives_each_once(coder: responses.RequestsMock) -> None:
    def growing(turn: int, limit: int, offset: int) -> tuple[Sequence[str], int]:
        now = [f"new{index}" for index in reversed(range(turn * 3))] + names(40)
        return now[offset : offset + limit], len(now)

    serve(coder, growing)
    assert found() == names(40)


def test_a_list_that_empties_meanwhile_ends(coder: responses.RequestsMock) -> None:
    serve(coder, lambda turn, limit, _offset: (names(limit) if turn == 0 else [], 40))
    assert found() == names(10)


def test_a_page_that_repeats_itself_ends_the_listing(coder: responses.RequestsMock) -> None:
    serve(coder, lambda _turn, limit, _offset: (names(limit), 10_000))
    assert found() == names(10)
    assert len(coder.calls) == 2


def test_a_page_of_known_ones_alone_does_not_end_the_listing(coder: responses.RequestsMock) -> None:
    pages = [names(10), list(reversed(names(10))), ["w10"], []]
    serve(coder, lambda turn, _limit, _offset: (pages[turn], 100))
    assert found() == names(11)


def test_a_listing_without_end_is_a_bad_answer(coder: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coderapi, "_MOST_PAGES", 5)
    serve(coder, lambda turn, limit, _offset: ([f"w{turn}-{index}" for index in range(limit)], 10))
    assert failure_of(found).kind is Failure.BAD_ANSWER
    assert len(coder.calls) == 5


def test_nothing_is_asked_before_it_is_read(coder: responses.RequestsMock) -> None:
    serve(coder, listing(names(30)))
    workspaces = api().workspaces("", 10)
    assert len(coder.calls) == 0
    next(workspaces)
    assert len(coder.calls) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"workspaces": [{"id": "w1"}, {"name": "private"}]}, "workspaces.1.id"),
        ({"workspaces": [{"id": "w1", "latest_build": {"id": "private"}}]}, "workspaces.0.latest_build.build_number"),
        ({"workspaces": [{"id": "w1", "name": {"private": 1}}]}, "workspaces.0.name"),
        (
            {"workspaces": [{"id": "w1", "latest_build": {"id": "b", "build_number": 1, "job": {"status": 3}}}]},
            "workspaces.0.latest_build.job.status",
        ),
        ({"workspaces": [None]}, "workspaces.0"),
        ({"workspaces": {"private": 1}}, "workspaces"),
        ({"count": 3}, "workspaces"),
    ],
)
def test_one_broken_item_is_a_bad_answer_that_names_call_and_field(
    coder: responses.RequestsMock, body: dict[str, Any], field: str
) -> None:
    coder.get(f"{V2}/workspaces", json=body)
    error = failure_of(found)
    assert error.kind is Failure.BAD_ANSWER
    assert f"GET /api/v2/workspaces has no usable “{field}”" in str(error)
    assert "private" not in str(error)


def test_null_is_a_listing_of_nothing(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/workspaces", json={"workspaces": None, "count": None})
    assert found() == []


# Builds: newest first, and only the newer ones are wanted.


def serve_builds(coder: responses.RequestsMock, numbers: Callable[[int], Sequence[int]]) -> None:
    turn = 0

    def page(request: Any) -> tuple[int, dict[str, str], bytes]:
        nonlocal turn
        now = sorted(numbers(turn), reverse=True)
        turn += 1
        limit, offset = int(request.params["limit"]), int(request.params["offset"])
        return 200, {}, as_json([build(number) for number in now[offset : offset + limit]])

    coder.add_callback("GET", f"{V2}/workspaces/w1/builds", page)


@pytest.mark.parametrize(
    ("last", "since", "times"),
    [(0, 0, 1), (3, 0, 1), (10, 0, 1), (11, 0, 2), (25, 0, 3), (25, 25, 1), (25, 24, 1), (25, 15, 1), (25, 14, 2)],
)
def test_builds_are_read_as_far_back_as_needed(
    coder: responses.RequestsMock, last: int, since: int, times: int
) -> None:
    serve_builds(coder, lambda _turn: range(1, last + 1))
    assert [one.build_number for one in api().builds("w1", since, page_size=10)] == list(range(since + 1, last + 1))
    assert len(coder.calls) == times


def test_builds_made_meanwhile_shift_the_others_but_lose_none(coder: responses.RequestsMock) -> None:
    serve_builds(coder, lambda turn: range(1, 26 + 2 * turn))
    assert [one.build_number for one in api().builds("w1", page_size=10)] == list(range(1, 26))


def test_builds_that_do_not_begin_with_one_end_with_an_empty_page(coder: responses.RequestsMock) -> None:
    serve_builds(coder, lambda _turn: range(5, 26))
    assert [one.build_number for one in api().builds("w1", page_size=10)] == list(range(5, 26))


def test_a_workspace_without_builds_has_none(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/workspaces/w1/builds", body="null")
    assert api().builds("w1") == []


def test_a_build_without_id_is_a_bad_answer(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/workspaces/w1/builds", json=[build(2), {"build_number": 1, "reason": "private"}])
    error = failure_of(api().builds, "w1")
    assert error.kind is Failure.BAD_ANSWER
    assert "GET /api/v2/workspaces/w1/builds has no usable “1.id”" in str(error)
    assert "private" not in str(error)


def test_builds_of_a_workspace_that_is_not_shown_are_not_found(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/workspaces/w1/builds", status=404, json={"message": "Resource not found"})
    assert failure_of(api().builds, "w1").kind is Failure.NOT_FOUND
