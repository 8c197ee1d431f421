"""Values for tests: each factory takes what a test is about and fills in the rest."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, Decision, Reason
from app.core.alert.severity import Severity
from app.core.count.conditions import Facts
from app.core.count.delivery import Event, read_delivery, to_event
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, Usage
from app.core.count.rules import EvidenceKind, Outcome, Rule, Verdict, load_rules
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.core.wording.context import Context
from app.core.wording.threshold import describe

ROOT = Path(__file__).parents[2]
RULES_FILE = ROOT / "config" / "rules.toml"
PAYLOADS = Path(__file__).parent / "payloads"
SHARED_PAYLOADS = Path(os.environ.get("AWB_SHARED_PAYLOADS") or ROOT.parent / "shared" / "coder" / "payloads")

AI_TEMPLATES = frozenset({"claude-tasks"})
FACTS = Facts({"ai_templates": AI_TEMPLATES})
WORKSPACE = "9d2f1c1e-51c1-4a44-9a4e-0b1f7c6a2f10"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def default_rules() -> tuple[Rule, ...]:
    return load_rules(RULES_FILE.read_text(encoding="utf-8"), "config/rules.toml")


def envelope(**payload: Any) -> dict[str, Any]:
    return {
        "_version": "1.1",
        "msg_id": "3f0c2f5e-8f1f-4b52-8b0e-1d8f7a0c9e11",
        "payload": {"_version": "1.2", "notification_name": "Task Resumed", **payload},
    }


def body(**payload: Any) -> bytes:
    return json.dumps(envelope(**payload)).encode()


def event_of(payload: Mapping[str, Any], message_id: str = "m1", at: float = 1000.0) -> Event:
    return to_event("default", message_id, at, payload)


def event_in(path: Path) -> Event:
    delivery = read_delivery(path.read_bytes())
    return event_of(delivery.payload, delivery.message_id)


def event(
    message_id: str = "m1", at: float = 1000.0, build: int | None = None, template: str = "claude-tasks", **labels: str
) -> Event:
    number = {} if build is None else {"workspace_build_number": str(build)}
    named = {"workspace": "old-prototype", "workspace_owner_username": "ada", "template": template}
    return event_of({"labels": {**named, **number, **labels}, "targets": [WORKSPACE]}, message_id, at)


def verdict(kind: EvidenceKind, rule: str = "", weight: int = 1) -> Verdict:
    return Verdict(Outcome.EVIDENCE, rule or f"rule-{kind}", f"because of {kind}", kind, AWB, weight)


def evidence_of(*steps: tuple[EvidenceKind, Event]) -> Evidence:
    known = Evidence()
    for kind, one in steps:
        known = known.with_event(one, verdict(kind))
    return known


def usage(
    used: int,
    limit: int | None = 1000,
    soft: int | None = None,
    start: date = date(2026, 1, 1),
    end: date | None = date(2027, 1, 1),
    **more: Any,
) -> Usage:
    rest = {"deployment": "prod", "meter": AWB, "provisional": 0, "as_of": NOON, **more}
    return Usage(period=Period(start, end), limit=Limit(limit, soft), counted=used, **rest)


def bare_alert(**more: Any) -> Alert:
    """Return an alert of a reached level without texts, links and figures."""
    usual: dict[str, Any] = {
        "group_key": "prod:awb:2026-01-01",
        "deployment": "prod",
        "meter": AWB,
        "reason": Reason.FIRST,
        "level": "90%",
        "severity": Severity.WARNING,
        "headline": "",
        "summary": "",
        "facts": (),
        "meaning": "",
        "links": (),
        "footer": "",
        "name": AWB,
    }
    return Alert(**{**usual, **more})


def alert(used: int = 912, level: str = "90%", reason: Reason = Reason.FIRST, **more: Any) -> Alert:
    """Return an alert as decided for a usage of 1,000 builds."""
    decision = Decision(reason, level, "", "Because.", AlertState(level))
    return replace(describe(decision, usage(used), Context()), **more)
