from io import StringIO

import pytest
from rich.console import Console

from bench.results import Aim, Row, Spread, percentile, table


def test_ratio_compares_neighbouring_rounds() -> None:
    # The machine became three times slower after the first round; the ratio did not.
    spread = Spread.ratio([300.0, 100.0, 110.0], [100.0, 50.0, 50.0])
    assert (spread.median, spread.low, spread.high) == (2.2, 2.0, 3.0)


def test_ratio_refuses_rounds_that_do_not_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        Spread.ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("sign", "value", "met"),
    [
        (">=", 3.0, True),
        (">=", 2.99, False),
        ("<=", 3.0, True),
        ("<=", 3.01, False),
        ("==", 3.0, True),
        ("==", 2, False),
    ],
)
def test_aims(sign: str, value: float, met: bool) -> None:
    assert Aim(sign, 3.0).met(value) is met


@pytest.mark.parametrize(("share", "value"), [(0.5, 100), (0.99, 198), (1.0, 200), (0.0, 1)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(list(range(200, 0, -1)), share) == value


def test_percentile_of_one_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_row_without_measurement_is_neither_met_nor_missed() -> None:
    row = Row("g", "w", None, "x", Aim(">=", 3.0), "not measured: npm is not installed")
    assert row.met is None
    assert row.as_json()["spread"] is None


def test_table_shows_spread_aim_and_verdict() -> None:
    out = StringIO()
    rows = [
        Row("group", "fast", Spread(3.456, 3.0, 4.0), "x", Aim(">=", 3.0)),
        Row("group", "absent", None, "x", note="not measured: [npm] is not installed"),
        Row("group", "exact", Spread.of([1.0]), "", Aim("==", 1.0)),
    ]
    Console(file=out, width=120).print(table(rows))
    shown = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "fast 3.46x (3.00x..4.00x) >= 3.00x met" in shown
    assert "absent - not measured: [npm] is not installed" in shown
    assert "exact 1.00 == 1.00 met" in shown
