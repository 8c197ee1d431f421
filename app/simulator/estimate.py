"""The correct count of a meter without an API token for a stream of deliveries, computed with app/core alone."""

from collections.abc import Sequence

from app.core.count.conditions import Facts
from app.core.count.delivery import read_delivery, to_event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import Evidence
from app.core.count.rules import Outcome, Rule, Verdict, classify

_DEPLOYMENT = "default"


class Estimator:
    """Provisional count over a stream of webhook bodies in any order and with any duplicates."""

    def __init__(self, rules: Sequence[Rule], ai_templates: frozenset[str]) -> None:
        """Take the rules of the meter and the case-folded names of the AI templates."""
        self._rules = rules
        self._ai_templates = ai_templates
        self._facts = Facts({"ai_templates": ai_templates})
        self._evidence: dict[tuple[str, str], Evidence] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._arrivals = 0

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def of_workspace(self, workspace_id: str) -> int:
        return sum(count for (_, workspace), count in self._counts.items() if workspace == workspace_id)

    def add(self, body: bytes) -> Verdict:
        """Add one delivery; each arrives one second after the previous one."""
        self._arrivals += 1
        delivery = read_delivery(body)
        event = to_event(_DEPLOYMENT, delivery.message_id, float(self._arrivals), delivery.payload)
        verdict = classify(event, self._rules, self._facts)
        if verdict.outcome is Outcome.EVIDENCE and event.workspace_id:
            key = verdict.meter, event.workspace_id
            self._evidence[key] = self._evidence.get(key, Evidence()).with_event(event, verdict)
            records = provisional_records(
                self._evidence[key], verdict.meter, event.workspace_id, self._ai_templates, str
            )
            self._counts[key] = sum(record.weight for record in records)
        return verdict
