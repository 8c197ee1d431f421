"""Draw docs/grafana.png: the dashboard's panels with the answers of a real Prometheus to their queries.

A simulated deployment lives for some weeks, with Coder's API and its outages; the real /metrics is scraped every half
hour of it, promtool makes Prometheus' own blocks of the scrapes, and each panel of deploy/grafana/awb-dashboard.json is
drawn from the answers to its queries. It is not Grafana that draws. Needs Debian's prometheus and chromium:

    python -m tests.pictures.dashboard
"""

import html
import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import time_machine
from rq.job import Job
from rq.serializers import JSONSerializer

from app.coder.api import CoderApi
from app.config.load import load
from app.pipeline.count.count import count
from app.pipeline.count.intake import take
from app.pipeline.count.reconcile import list_changes
from app.pipeline.count.verify import verify_due
from app.pipeline.notify.send import send
from app.pipeline.watch.sweep import sweep
from app.simulator.api import ApiServer
from app.simulator.licence import Licence
from app.simulator.loopback import free_port
from app.simulator.month import Timeline
from app.simulator.notifications import Message, Outbox
from app.simulator.sinks import SlackSink
from app.simulator.world import World
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.store.store import Store
from app.web.metrics import server as metricserver
from tests.conftest import PATIENCE
from tests.pictures.screenshot import ROOT
from tests.pictures.screenshot import take as take_picture
from workers import embedded
from workers.runner import worker

#: Name and points (epoch seconds, value) of one line.
Series = tuple[str, list[tuple[float, float]]]
DAYS, STEP_MINUTES, LIMIT, SEED = 35, 30, 260, 11
COLOURS = ("#5794f2", "#73bf69", "#f2cc0c", "#ff9830", "#b877d9", "#8ab8ff", "#37872d", "#e0b400")
HOUR = 3600
NAMED = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a", "blue": "#5794f2",
         "purple": "#b877d9", "transparent": "none"}  # fmt: skip
STYLE = """
body{margin:0;background:#111217;color:#d8d9da;font:13px Inter,"DejaVu Sans",sans-serif;padding:10px;width:1580px}
main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:36px;gap:6px}
section{background:#181b1f;border:1px solid #2c3235;border-radius:3px;padding:5px 9px;overflow:hidden;display:flex;
flex-direction:column}h1{font-size:18px;font-weight:500;margin:4px 2px 10px}h1 small{color:#8e8e8e;font-size:13px}
h2{font-size:13px;font-weight:500;margin:0 0 2px}.big small{font-size:14px;color:#8e8e8e}
.row{background:none;border:0;font-weight:600;padding-top:9px}
.big{font-size:30px;font-weight:500;margin:auto;text-align:center}svg{flex:1;min-height:0;width:100%}
.legend{font-size:11px;color:#b0b1b3;display:flex;flex-wrap:wrap;gap:0 12px}
i{display:inline-block;width:12px;height:3px;margin:0 4px 3px 0}text{fill:#8e8e8e;font-size:11px}
.bar{display:flex;height:20px;margin:3px 0;font-size:11px}.bar b{width:130px;font-weight:400}.bar span{height:100%}
"""


class Meter:
    """The real pipeline and the real /metrics, without separate processes, in simulated time."""

    def __init__(self, directory: Path, world: World, server: ApiServer, slack: SlackSink) -> None:
        self.world, self.api, self.slack = world, CoderApi(server.url, server.token, sleep=lambda _: None), slack
        url = embedded.url(directory)
        environ = {"AWB_REDIS_URL": url, "AWB_CODER_URL": server.url, "AWB_CODER_TOKEN": server.token,
                   "AWB_DEPLOYMENT": "prod", "AWB_SLACK_WEBHOOK_URL": slack.url}  # fmt: skip
        self.config = load(environ=environ)
        self.redis = connect(url)
        self.client = metricserver.create_app(self.config, self.redis).test_client()
        self.inbox = Inbox(self.redis, "prod")
        self.rng = random.Random(SEED)
        self.lines: list[str] = []
        self.workers = [worker(name, self.redis, self.config) for name in jobqueue.QUEUES]
        for one in self.workers:
            one.register_birth()
            one.set_state("idle")

    def post(self, messages: list[Message]) -> None:
        with time_machine.travel(self.world.now, tick=False):
            for message in messages:
                for _ in range(self.rng.choice((0, 1, 1, 1, 2))):
                    take(self.inbox, message.body, message.id)
            if not self.rng.randrange(100):
                take(self.inbox, b"no notification", None)

    def step(self) -> None:
        """Scrape, and only then process, so that queues are not empty."""
        with time_machine.travel(self.world.now, tick=False):
            answer = self.client.get("/metrics").get_data(as_text=True)
            at = int(self.world.now.timestamp())
            self.lines += [f"{line} {at}" for line in answer.splitlines() if not line.startswith("#")]
            for one in self.workers:
                one.heartbeat()
            for name in jobqueue.QUEUES:
                for args in self.jobs(name):
                    if name == jobqueue.DELIVERIES:
                        count(self.redis, self.config, [args])
                    elif name == jobqueue.NOTIFICATIONS:
                        deployment, notification_id = args[:2]
                        send(Store(self.redis, deployment), self.config, notification_id)
            verify_due(Store(self.redis, "prod"), self.config, self.api)
            sweep(self.redis, self.config)

    def reconcile(self) -> None:
        with time_machine.travel(self.world.now, tick=False):
            list_changes(Store(self.redis, "prod"), self.api)

    def jobs(self, name: str) -> Iterator[list[Any]]:
        connection: Any = self.redis
        while job_id := connection.lpop(jobqueue.queue_key(name)):
            job = Job.fetch(job_id.decode(), connection=self.redis, serializer=JSONSerializer)
            job.delete(remove_from_queue=False)
            yield list(job.args)


def play(directory: Path) -> tuple[list[str], datetime]:
    """Return the scrapes as lines with their times, and the end."""
    world = World(SEED)
    start = world.now
    world.licence = Licence(limit=LIMIT, period_start=start, period_end=start + timedelta(days=60))
    timeline, outbox = Timeline(world, days=DAYS, tasks_per_day=3.2), Outbox(world)
    with ApiServer(world, seed=SEED) as server, SlackSink() as slack:
        meter = Meter(directory, world, server, slack)
        timeline.after_each(lambda: meter.post(list(outbox.collect())))
        timeline.every(STEP_MINUTES, meter.step)
        timeline.every(120, meter.reconcile)
        timeline.at(start + timedelta(days=20), lambda: setattr(server, "outage", True))
        timeline.at(start + timedelta(days=21, hours=6), lambda: setattr(server, "outage", False))
        timeline.at(start + timedelta(days=15), lambda: slack.fail_next(6, 500))
        timeline.play()
    return meter.lines, world.now


@contextmanager
def prometheus(directory: Path, lines: list[str]) -> Iterator[str]:
    scrapes, config = directory / "scrapes.om", directory / "prometheus.yml"
    scrapes.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    config.write_text("{}", encoding="utf-8")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2400h"]
    subprocess.run([*made, str(scrapes), str(directory / "tsdb")], check=True, capture_output=True)
    port = free_port()
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}", "--log.level=error",
         f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y",
         "--query.lookback-delta=65m"]
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                if requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _start(end: datetime) -> float:
    """Return the beginning of the shown period, in epoch seconds; the first day is left out, because rates need one."""
    return (end - timedelta(days=DAYS - 1)).timestamp()


def ask(base: str, target: dict[str, Any], end: datetime) -> list[Series]:
    """Return name and points of each series; an instant query returns one point."""
    expr = target["expr"].replace("$deployment", "prod").replace("$meter", "awb").replace("$__rate_interval", "4h")
    at = end.timestamp()
    params = {"query": expr, "time": at - 60, "start": _start(end), "end": at - 60, "step": HOUR}
    path = "query" if target["instant"] else "query_range"
    answer = requests.get(f"{base}/api/v1/{path}", params=params, timeout=60).json()
    if answer["status"] != "success":
        raise ValueError(answer["error"])
    found = []
    for row in answer["data"]["result"]:
        name = str(target["legendFormat"])
        for label in re.findall(r"\{\{(\w+)\}\}", name):
            name = name.replace(f"{{{{{label}}}}}", row["metric"].get(label, ""))
        points = row.get("values") or [row["value"]]
        found.append((name, [(float(t), float(v)) for t, v in points]))
    return found


def shown(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "dateTimeAsIso":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d}"
        case "bytes":
            return f"{value / 2**20:.1f} MiB"
        case "s":
            return f"{value / 3600:.1f} h" if value > HOUR else f"{value:.0f} s"
    return f"{value:,.1f}".removesuffix(".0")


def colour(panel: dict[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return NAMED[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


def body(panel: dict[str, Any], series: list[Series], end: datetime) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] in ("stat", "gauge"):
        if not series:
            return f"<div class=big>{html.escape(defaults.get('noValue', '–'))}</div>"
        name, points = series[0]
        text = name if panel["options"].get("textMode") == "name" else shown(points[-1][1], defaults["unit"])
        return f"<div class=big style='color:{colour(panel, points[-1][1])}'>{html.escape(text)}</div>"
    if not series:
        return "<div class=big><small>No data</small></div>"
    return states(panel, series) if panel["type"] == "state-timeline" else lines(panel, series, end)


def states(panel: dict[str, Any], series: list[Series]) -> str:
    bars = ""
    for name, points in series:
        parts = "".join(f"<span style='flex:1;background:{colour(panel, value)}'></span>" for _at, value in points)
        bars += f"<div class=bar><b>{html.escape(name)}</b>{parts}</div>"
    return bars


def lines(panel: dict[str, Any], series: list[Series], end: datetime) -> str:
    unit, width, left = panel["fieldConfig"]["defaults"]["unit"], panel["gridPos"]["w"] * 64, 62
    height = panel["gridPos"]["h"] * 42 - 88
    fixed = {o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
             for o in panel["fieldConfig"]["overrides"]}  # fmt: skip
    points = [point for _name, row in series for point in row]
    top: float = max(value for _at, value in points) * 1.05 or 1
    low: float = min(0, *(value for _at, value in points))
    first, last = _start(end), end.timestamp()

    def x(at: float) -> float:
        return float(left + (at - first) / (last - first) * (width - left - 6))

    def y(value: float) -> float:
        return float(6 + (top - value) / (top - low) * (height - 24))

    drawn, legend = "", ""
    for part in range(5):
        value = low + (top - low) * part / 4
        drawn += f"<line x1={left} x2={width} y1={y(value):.0f} y2={y(value):.0f} stroke=#2c3235 />"
        drawn += f"<text x={left - 6} y={y(value) + 4:.0f} text-anchor=end>{shown(value, unit)}</text>"
        at = first + (last - first) * part / 4.4
        drawn += f"<text x={x(at):.0f} y={height - 4}>{datetime.fromtimestamp(at, UTC):%d %b}</text>"
    for number, (name, row) in enumerate(series):
        own = fixed.get(name, {})
        ink = NAMED[own["color"]["fixedColor"]] if "color" in own else COLOURS[number % len(COLOURS)]
        dash = "stroke-dasharray='7 6'" if "custom.lineStyle" in own else ""
        path, before = "", 0.0
        for at, value in row:
            path += f"{'L' if at - before < 1.5 * HOUR else 'M'}{x(at):.1f} {y(value):.1f}"
            before = at
        drawn += f"<path d='{path}' fill=none stroke='{ink}' stroke-width={own.get('custom.lineWidth', 2)} {dash} />"
        legend += f"<span><i style='background:{ink}'></i>{html.escape(name)} {shown(row[-1][1], unit)}</span>"
    return f"<svg viewBox='0 0 {width} {height}'>{drawn}</svg><div class=legend>{legend}</div>"


def page(base: str, end: datetime) -> str:
    dashboard = json.loads((ROOT / "deploy/grafana/awb-dashboard.json").read_text(encoding="utf-8"))
    parts = []
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        place = f"grid-area:{at['y'] + 1}/{at['x'] + 1}/span {at['h']}/span {at['w']}"
        title = html.escape(panel["title"])
        if panel["type"] == "row":
            parts.append(f"<section class=row style='{place}'>{title}</section>")
            continue
        series = [row for target in panel["targets"] for row in ask(base, target, end)]
        parts.append(f"<section style='{place}'><h2>{title}</h2>{body(panel, series, end)}</section>")
    head = f"<h1>{html.escape(dashboard['title'])} <small>Deployment prod · Meter awb</small></h1>"
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{head}<main>{''.join(parts)}</main>"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="awb-") as name:
        directory = Path(name)
        redis_server = subprocess.Popen(embedded.command(embedded.find_server(), directory), stdout=subprocess.DEVNULL)
        try:
            embedded.wait_ready(directory, redis_server)
            scrapes, end = play(directory)
        finally:
            redis_server.terminate()
            redis_server.wait(PATIENCE)
        with prometheus(directory, scrapes) as base:
            take_picture(page(base, end), "grafana.png", 1600, 2170)


if __name__ == "__main__":
    main()
