import io
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from app.core.alert.alert import Alert
from app.core.wording.burnup import bar, course, filled
from app.notifiers.email.chart import HEIGHT, WIDTH, burn_up_png
from tests.notifiers.samples import SNAPSHOTS, charted

DAY = date(2026, 1, 1)
BLUE, RED, BROWN = (31, 95, 191), (179, 38, 30), (154, 91, 0)


def picture_of(alert: Alert) -> Image.Image:
    png = burn_up_png(alert)
    assert png is not None
    return Image.open(io.BytesIO(png)).convert("RGB")


def rows_of(picture: Image.Image, colour: tuple[int, int, int], least: int) -> list[int]:
    """Return the rows that hold at least so many dots of about this colour."""
    apart = ImageChops.difference(picture, Image.new("RGB", picture.size, colour))
    dots = Image.eval(apart, lambda far: 255 if far < 12 else 0).split()
    near = ImageChops.multiply(ImageChops.multiply(dots[0], dots[1]), dots[2]).tobytes()
    width = picture.width
    return [y for y in range(picture.height) if near[y * width : (y + 1) * width].count(255) >= least]


def test_the_chart_is_small_and_has_twice_the_dots() -> None:
    png = burn_up_png(charted())
    assert png is not None
    assert len(png) <= 40_000
    assert picture_of(charted()).size == (2 * WIDTH, 2 * HEIGHT)


def test_the_same_alert_gives_the_same_bytes() -> None:
    assert burn_up_png(charted()) == burn_up_png(charted())
    assert burn_up_png(charted()) != burn_up_png(charted(used=911))


def test_nothing_is_in_the_file_but_the_picture() -> None:
    png = burn_up_png(charted())
    assert png is not None
    assert Image.open(io.BytesIO(png)).info == {}


@pytest.mark.parametrize("burn_up", [(), ((DAY, 1),), ((DAY, 1), (DAY, 2))])
def test_less_than_two_days_are_no_chart(burn_up: tuple[tuple[date, int], ...]) -> None:
    assert burn_up_png(replace(charted(), burn_up=burn_up)) is None


def test_limit_and_level_are_lines_across_and_the_limit_is_above() -> None:
    picture = picture_of(charted(breach=None))
    (limit, *_), (level, *_) = rows_of(picture, RED, 700), rows_of(picture, BROWN, 200)
    assert limit < level
    assert not rows_of(picture_of(replace(charted(breach=None), limit=None)), RED, 20)
    assert not rows_of(picture_of(replace(charted(breach=None), level="forecast")), BROWN, 200)


def test_an_expected_breach_goes_on_behind_the_last_day() -> None:
    def width_of_the_area(alert: Alert) -> int:
        row = picture_of(alert).crop((0, 360, 2 * WIDTH, 361)).tobytes()
        return sum(abs(row[at] - 219) < 4 and abs(row[at + 2] - 248) < 4 for at in range(0, len(row), 3))

    assert width_of_the_area(charted(breach=date(2026, 6, 2))) < 0.85 * width_of_the_area(charted(breach=None))
    # One that is years away would press the rest into a corner.
    assert burn_up_png(charted(breach=date(2030, 1, 1))) == burn_up_png(charted(breach=None))


@pytest.mark.parametrize("name", ["chart_expected", "chart_over"])
def test_the_chart_is_the_reviewed_one(name: str) -> None:
    shown = {"chart_expected": charted(), "chart_over": charted(used=1180, level="110%", breach=None)}[name]
    # Not to the byte: another version of FreeType or zlib may round and pack in another way.
    reviewed, ours = Image.open(SNAPSHOTS / f"{name}.png").convert("RGB"), picture_of(shown)
    assert reviewed.size == ours.size
    differing = sum(abs(a - b) > 40 for a, b in zip(reviewed.tobytes(), ours.tobytes(), strict=True))
    assert differing < len(ours.tobytes()) * 0.02


numbers = st.integers(min_value=0, max_value=10**9)


@settings(max_examples=30)
@given(
    st.lists(numbers, min_size=2, max_size=8),
    st.none() | numbers,
    st.none() | st.integers(min_value=-400, max_value=4000),
    st.sampled_from(["", "0%", "1%", "99%", "100%", "+10%", "5", "x"]),
)
def test_no_numbers_break_the_chart(used: list[int], limit: int | None, ahead: int | None, level: str) -> None:
    burn_up = tuple((DAY + timedelta(days=7 * n), units) for n, units in enumerate(used))
    breach = None if ahead is None else burn_up[-1][0] + timedelta(days=ahead)
    shown = replace(charted(), burn_up=burn_up, limit=limit, breach=breach, level=level)
    png = burn_up_png(shown)
    assert png is not None
    assert len(png) <= 40_000
    assert course(burn_up, limit, breach).startswith("Usage went from ")


@pytest.mark.parametrize(
    ("used", "limit", "expected"),
    [
        (912, 1000, "[##################..] 91.2%"),
        (0, 1000, "[....................] 0%"),
        (1, 1000, "[#...................] 0.1%"),
        (999, 1000, "[###################.] 99.9%"),
        (1000, 1000, "[####################] 100%"),
        (2500, 1000, "[####################] 250%"),
        (5, 0, ""),
        (5, None, ""),
    ],
)
def test_a_bar_is_full_only_at_the_limit_and_empty_only_at_zero(used: int, limit: int | None, expected: str) -> None:
    assert bar(used, limit) == expected


@given(numbers, st.integers(min_value=1, max_value=10**9))
def test_a_bar_never_leaves_its_frame(used: int, limit: int) -> None:
    assert 0 <= filled(used, limit, 100) <= 100
    assert (filled(used, limit, 100) == 100) == (used >= limit)


@pytest.mark.parametrize(
    ("burn_up", "limit", "breach", "expected"),
    [
        (((DAY, 0), (date(2026, 1, 9), 8)), None, None, "Usage went from 0 on 1 January 2026 to 8 on 9 January 2026."),
        (
            ((DAY, 0), (date(2026, 1, 3), 1), (date(2026, 1, 7), 9), (date(2026, 1, 9), 10)),
            50,
            date(2026, 2, 1),
            (
                "Usage went from 0 on 1 January 2026 to 10 on 9 January 2026, half of that by 7 January 2026; the "
                "limit is 50. It is expected to be reached on 1 February 2026."
            ),
        ),
        (
            ((DAY, 5), (date(2026, 1, 9), 5)),
            0,
            None,
            "Usage went from 5 on 1 January 2026 to 5 on 9 January 2026; the limit is 0.",
        ),
        (((DAY, 5),), 10, None, ""),
    ],
)
def test_the_course_is_said_in_words(
    burn_up: tuple[tuple[date, int], ...], limit: int | None, breach: date | None, expected: str
) -> None:
    assert course(burn_up, limit, breach) == expected
