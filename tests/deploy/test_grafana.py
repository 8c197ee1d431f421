"""The Grafana dashboard: as Grafana's schema has it, and about metrics that exist."""
# ruff: noqa: N815 - the names are those of Grafana's keys

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from app.web.metrics.families import FAMILIES
from tests.deploy.promtool import LABELS, ROOT, promtool, unknown

SOURCE = json.loads((ROOT / "deploy" / "grafana" / "awb-dashboard.json").read_text(encoding="utf-8"))
#: What a dashboard need not show: what others on it imply, and what only names and switches tell.
NOT_SHOWN = {
    "awb_build_info", "awb_deployments", "awb_usage_counted", "awb_limit_unlimited", "awb_soft_limit",
    "awb_period_start_timestamp_seconds", "awb_period_end_timestamp_seconds", "awb_forecast_confident",
    "awb_forecast_usage", "awb_forecast_breach_in_period", "awb_user_usage", "awb_alert_level",
    "awb_last_notification_timestamp_seconds", "awb_outbox_oldest_age_seconds", "awb_outbox_overdue_seconds",
    "awb_coder_api_configured", "awb_coder_api_failing_since_timestamp_seconds", "awb_reconcile_interval_seconds",
    "awb_queue_paused", "awb_redis_aof_enabled",
    # What the verdict sums up is on the dashboard, and the alert rules speak of the rest.
    "awb_health", "awb_health_check", "awb_redis_budget_bytes", "awb_redis_budget_kept_since_timestamp_seconds",
    "awb_relay_errors_total", "awb_relay_oldest_age_seconds",
}  # fmt: skip


class Strict(BaseModel):
    """Grafana's classic dashboard, version 42 of its schema, as far as this one goes (kinds/dashboard)."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DataSource(Strict):
    type: Literal["prometheus", "grafana"]
    uid: str


class Target(Strict):
    datasource: DataSource
    editorMode: Literal["code"]
    expr: str
    instant: bool
    legendFormat: str
    range: bool
    refId: str = Field(pattern=r"^[A-Z]$")


class GridPos(Strict):
    h: int = Field(gt=0)
    w: int = Field(gt=0, le=24)
    x: int = Field(ge=0, lt=24)
    y: int = Field(ge=0)


class Step(Strict):
    color: str
    value: float | int | None


class ThresholdSteps(Strict):
    mode: Literal["absolute", "percentage"]
    steps: list[Step] = Field(min_length=1)


class Defaults(Strict):
    color: dict[str, str]
    custom: dict[str, Any] = {}
    decimals: int | None = None
    mappings: list[dict[str, Any]]
    max: float | int | None = None
    min: float | int | None = None
    noValue: str = ""
    thresholds: ThresholdSteps
    unit: str


class FieldConfig(Strict):
    defaults: Defaults
    overrides: list[dict[str, Any]]


class Panel(Strict):
    collapsed: bool | None = None
    datasource: DataSource | None = None
    description: str = ""
    fieldConfig: FieldConfig | None = None
    gridPos: GridPos
    id: int
    options: dict[str, Any] = {}
    panels: list[Any] = []
    targets: list[Target] = []
    title: str = Field(min_length=1)
    type: Literal["row", "stat", "gauge", "timeseries", "state-timeline"]


class Variable(Strict):
    current: dict[str, Any]
    datasource: DataSource | None = None
    definition: str = ""
    includeAll: bool
    label: str
    multi: bool
    name: str
    options: list[Any]
    query: str | dict[str, Any]
    refresh: Literal[0, 1, 2]
    regex: str
    sort: int = 0
    type: Literal["datasource", "query"]


class Templating(Strict):
    list: list[Variable]


class Dashboard(Strict):
    annotations: dict[str, Any]
    description: str
    editable: bool
    fiscalYearStartMonth: int
    graphTooltip: Literal[0, 1, 2]
    id: None
    links: list[Any]
    panels: list[Panel]
    preload: bool
    refresh: str
    schemaVersion: Literal[42]
    tags: list[str]
    templating: Templating
    time: dict[str, str]
    timepicker: dict[str, Any]
    timezone: str
    title: str
    uid: str = Field(max_length=40)
    version: int


DASHBOARD = Dashboard.model_validate(SOURCE)
PANELS = [panel for panel in DASHBOARD.panels if panel.type != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel.targets]


def named(pair: tuple[Panel, Target]) -> str:
    return f"{pair[0].title} {pair[1].refId}"


def filled(expression: str) -> str:
    return expression.replace("$deployment", "prod").replace("$meter", "awb").replace("$__rate_interval", "5m")


def test_panels_have_their_places() -> None:
    assert len({panel.id for panel in DASHBOARD.panels}) == len(DASHBOARD.panels)
    for one, other in combinations(DASHBOARD.panels, 2):
        a, b = one.gridPos, other.gridPos
        apart = a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
        assert apart, (one.title, other.title)
    assert all(panel.gridPos.x + panel.gridPos.w <= 24 for panel in DASHBOARD.panels)


def test_data_source_and_deployment_are_for_the_viewer_to_choose() -> None:
    variables = {variable.name: variable for variable in DASHBOARD.templating.list}
    assert list(variables) == ["datasource", "deployment", "meter"]
    assert (variables["datasource"].type, variables["datasource"].query) == ("datasource", "prometheus")
    used = [panel.datasource for panel in PANELS] + [target.datasource for _, target in TARGETS]
    used += [variables[name].datasource for name in ("deployment", "meter")]
    assert {source.uid if source else "" for source in used} == {"${datasource}"}


def test_every_expression_is_promql(tmp_path: Path) -> None:
    """Prometheus' own parser reads them, as rules that record them."""
    rules = [{"record": f"x:{n}", "expr": filled(target.expr)} for n, (_, target) in enumerate(TARGETS)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}), encoding="utf-8")
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("pair", TARGETS, ids=named)
def test_every_expression_names_only_what_exists(pair: tuple[Panel, Target]) -> None:
    assert unknown(filled(pair[1].expr)) == []


@pytest.mark.parametrize("pair", TARGETS, ids=named)
def test_every_expression_is_about_the_chosen_deployment(pair: tuple[Panel, Target]) -> None:
    """Also the meter, where a metric is of one; queues and Redis serve all of them."""
    for metric, matchers in re.findall(r"\b(awb_\w+)(\{[^}]*\})?", pair[1].expr):
        wanted = {label for label in ("deployment", "meter") if label in LABELS[metric]}
        assert {label for label in ("deployment", "meter") if f'{label}="${label}"' in matchers} == wanted


@pytest.mark.parametrize("pair", TARGETS, ids=named)
def test_every_legend_has_its_labels(pair: tuple[Panel, Target]) -> None:
    wanted = set(re.findall(r"\{\{(\w+)\}\}", pair[1].legendFormat))
    grouped = [set(re.findall(r"\w+", listed)) for listed in re.findall(r"\bby \(([^)]*)\)", pair[1].expr)]
    metrics = re.findall(r"\bawb_\w+", pair[1].expr)
    assert wanted <= (grouped[0] if grouped else set.intersection(*(LABELS[metric] for metric in metrics)))


def test_the_dashboard_shows_all_that_matters() -> None:
    shown = {metric for _, target in TARGETS for metric in re.findall(r"\bawb_\w+", target.expr)}
    assert shown == {family.name for family in FAMILIES} - NOT_SHOWN


def test_what_is_bad_is_marked() -> None:
    marked = {
        panel.title for panel in PANELS if panel.fieldConfig and len(panel.fieldConfig.defaults.thresholds.steps) > 1
    }
    assert {"Share of the limit", "Drift", "Oldest job", "Jobs failed or tried again", "What works"} <= marked
