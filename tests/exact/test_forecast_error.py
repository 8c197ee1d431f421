"""Guards what docs/forecast.md states, with slack, on fewer seeds than stand there."""

import math
from statistics import mean, median

import pytest

from bench.forecast import KINDS, POINTS, SPANS, Series, errors, tenth_worst, warned, worlds

CALM = ("steady", "weekdays", "world")


@pytest.fixture(scope="module")
def made() -> list[Series]:
    return list(worlds(range(500, 515)))


@pytest.mark.parametrize(
    ("span", "point", "total", "total_worst", "breach", "breach_worst"),
    [
        ("a year", 0.25, 0.08, 0.25, 18, 50),
        ("a year", 0.5, 0.06, 0.14, 13, 32),
        ("a year", 0.75, 0.04, 0.09, 8, 20),
        ("a first month", 0.25, 0.25, 0.60, 5, 11),
        ("a first month", 0.5, 0.13, 0.38, 3, 8),
        ("a first month", 0.75, 0.09, 0.23, 2, 5),
        ("a third month", 0.25, 0.14, 0.40, 3, 8),
        ("a third month", 0.5, 0.12, 0.30, 3, 6),
        ("a third month", 0.75, 0.09, 0.20, 2, 5),
    ],
)
def test_calm_teams_are_forecast_as_well_as_stated(
    span: str, point: float, total: float, total_worst: float, breach: float, breach_worst: float, made: list[Series]
) -> None:
    found = [errors(one, point) for one in made if one.span == span and one.kind in CALM]
    assert median(error.total for error in found) <= total
    assert tenth_worst([error.total for error in found]) <= total_worst
    assert median(error.breach for error in found) <= breach
    assert tenth_worst([error.breach for error in found]) <= breach_worst


@pytest.mark.parametrize("span", SPANS)
def test_the_range_holds_the_truth_in_about_four_of_five_cases_over_all_kinds(span: str, made: list[Series]) -> None:
    of_span = [one for one in made if one.span == span]
    assert {one.kind for one in of_span} == set(KINDS)
    assert 0.72 <= mean(errors(one, point).covered for one in of_span for point in POINTS) <= 0.92


def test_few_alerts_are_false_and_none_is_missed(made: list[Series]) -> None:
    years = [one for one in made if one.span == "a year"][::6]
    false = [one for one in years if warned(one, math.ceil(one.total * 1.2)) is not None]
    assert len(false) <= 0.2 * len(years)
    ahead = []
    for one in years:
        limit = math.ceil(one.total * 0.8)
        day = warned(one, limit)
        assert day is not None
        ahead.append(one.reached(limit) - day)
    assert median(ahead) >= 90
