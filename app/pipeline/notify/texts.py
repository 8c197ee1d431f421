"""An admin's own texts: sandboxed, strict Jinja templates that replace headline, summary and meaning.

Markup is added by the notifiers, which escape the texts, so one text works for every channel.
"""

from dataclasses import asdict, replace
from functools import cache
from typing import Any

import structlog
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.config.perdeployment import Texts
from app.core.alert.alert import Alert

log = structlog.get_logger(__name__)
_LONGEST: dict[str, int] = {"headline": 150, "summary": 1000, "meaning": 2000}


def text_problems(texts: Texts, samples: list[Alert]) -> list[str]:
    """Return what is wrong with the templates, by rendering each with alerts of every kind."""
    found = []
    for part in _LONGEST:
        source = getattr(texts, part)
        for sample in samples if source else []:
            try:
                _render(source, sample)
            except TemplateError as error:
                said = f"texts.{part}: {error.message or type(error).__name__}"
                found.append(f"{said}; `awb notify preview` shows what it may use")
                break
            except Exception as error:  # noqa: BLE001 - a template is code: anything may come out of it
                found.append(f"texts.{part}: {type(error).__name__}: {error}")
                break
    return found


def own_words(texts: Texts, alert: Alert) -> Alert:
    """Return the alert with the admin's texts. If a template fails now, the built-in text is used."""
    changed: dict[str, str] = {}
    for part, longest in _LONGEST.items():
        source = getattr(texts, part)
        if not source:
            continue
        try:
            changed[part] = _render(source, alert)[:longest]
        except Exception as error:  # noqa: BLE001 - the warning goes out in the built-in words instead
            log.error("template failed", part=part, why=type(error).__name__)
    return replace(alert, **changed)  # type: ignore[arg-type]


def variables(alert: Alert) -> dict[str, Any]:
    """Return the variables that templates may use: plain values only."""
    plain = {key: value for key, value in asdict(alert).items() if key not in ("links", "burn_up", "group_key")}
    left = None if alert.limit is None or alert.used is None else max(alert.limit - alert.used, 0)
    percent = alert.used * 100 // alert.limit if alert.limit and alert.used is not None else None
    values = {"facts": dict(alert.facts), "left": left, "percent": percent}
    return {**plain, **values, "reason": alert.reason.value, "severity": alert.severity.value, "kind": alert.kind.value}


def _render(source: str, alert: Alert) -> str:
    return _compiled(source).render(variables(alert)).strip()  # type: ignore[no-any-return]


@cache
def _compiled(source: str) -> Any:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(source)
