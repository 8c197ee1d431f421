"""An admin's own words: sandboxed, strict, and never the reason for a lost warning."""

import pytest

from app.config.perdeployment import Texts
from app.pipeline.notify.texts import own_words, text_problems, variables
from tests.core.make import alert


def test_own_words_take_the_place_of_the_built_in_ones() -> None:
    texts = Texts(headline="{{ deployment }}: {{ percent }}% weg", meaning="{% if left < 100%}Ruf an!{% endif %}")
    said = own_words(texts, alert())
    assert (said.headline, said.meaning) == ("prod: 91% weg", "Ruf an!")
    assert said.summary == alert().summary


def test_without_templates_nothing_changes() -> None:
    assert own_words(Texts(), alert()) == alert()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ usd }}", "'usd' is undefined"),
        ("{% if %}", "Expected an expression"),
        ("{{ facts.nope.deeper }}", "nope"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% for n in range(999999999) %}x{% endfor %}", "too big"),
    ],
)
def test_a_template_that_is_wrong_is_found_at_start(source: str, said: str) -> None:
    [problem] = text_problems(Texts(summary=source), [alert()])
    assert problem.startswith("texts.summary: ")
    assert said in problem


def test_a_template_that_fails_later_costs_no_warning() -> None:
    texts = Texts(headline="{{ 100 // left }}")
    assert text_problems(texts, [alert()]) == []
    reached = alert(used=1000, level="100%")
    assert own_words(texts, reached) == reached


def test_templates_see_plain_values_only() -> None:
    found = variables(alert())
    assert {type(value) for value in found.values()} <= {str, int, dict, type(None)}
    assert found["left"] == 88
    assert found["facts"]["Agent Workspace Builds"] == "912 of 1,000 (91.2%), 88 left"
