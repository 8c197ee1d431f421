"""Rules of the code that no linter knows."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.store.rq import jobqueue, plainjob, readyjob
from app.store.server import connection as store_connection
from tests.syntax import parse

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
SCRIPTS = sorted((ROOT / "app" / "store" / "scripts").glob("*.lua"))
LONGEST_MODULE, LONGEST_FUNCTION = 260, 45
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Modules that may be longer, up to this, and why.
LONGER: dict[str, tuple[int, str]] = {}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


#: No code, but a list that has to be in one place.
LISTS = {"app/store/keys.py"}


def tree_of(path: Path) -> ast.Module:
    return parse(path.read_text(encoding="utf-8"))


def calls_in(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the dotted name and the line of every call and every other use of an attribute."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE and name not in LISTS} == {}


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without those of functions in it, such as the routes of a blueprint."""
    inner = [node for node in ast.walk(function) if isinstance(node, FUNCTIONS) and node is not function]
    lines = {line for node in inner for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    return len(set(range(function.lineno, (function.end_lineno or 0) + 1)) - lines)


def test_functions_are_short() -> None:
    functions = [(path, node) for path in MODULES for node in ast.walk(tree_of(path)) if isinstance(node, FUNCTIONS)]
    lengths = {f"{name_of(path)}:{node.name}": own_lines(node) for path, node in functions}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


PLAIN_JOBS = [
    plainjob.notification_job("default", "n1"),
    plainjob.sweep_job(1),
    plainjob.verify_job("default"),
    plainjob.reconcile_job("default", 7),
    plainjob.reconcile_job("default", 7, 2),
    plainjob.recount_job("f"),
    plainjob.lane_job("default", "mail:ada", "m1", jobqueue.RELAY),
]


def resolve(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", sorted(jobqueue.FUNCTIONS))
def test_every_job_is_a_function_of_the_workers(path: str) -> None:
    function = resolve(path)
    assert inspect.isfunction(function)
    assert function.__module__ == "workers.jobs"


def test_a_delivery_gets_the_arguments_that_its_function_takes() -> None:
    fields = readyjob.delivery_job("default", "m1", 1.0, {}).own
    function, instance, args, kwargs = json.loads(fields[fields.index(b"data") + 1])
    assert (function, instance, kwargs) == (jobqueue.CLASSIFY, None, {})
    inspect.signature(resolve(function)).bind(*args)


@pytest.mark.parametrize("job", PLAIN_JOBS, ids=lambda job: job.id)
def test_every_other_job_gets_the_arguments_that_its_function_takes(job: plainjob.PlainJob) -> None:
    inspect.signature(resolve(job.function)).bind(*job.args)


def test_jobs_of_every_function_are_tried() -> None:
    assert {job.function for job in PLAIN_JOBS} | {jobqueue.CLASSIFY} == jobqueue.FUNCTIONS


def test_every_script_is_used_and_every_one_used_is_there() -> None:
    names = set()
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("script", "script_text", "Channel"):
                names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    assert names == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_names_all_its_keys_and_arguments_in_its_header(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = "\n".join(line for line in lines[: next(n for n, line in enumerate(lines) if not line.startswith("--"))])
    body = "\n".join(lines[header.count("\n") + 1 :])
    named = set(re.findall(r"(KEYS|ARGV)\[(\d+)\]", header))
    rests = {kind: int(first) for kind, first in re.findall(r"(KEYS|ARGV)\[(\d+)\.\.\.\]", header)}
    used = set(re.findall(r"(KEYS|ARGV)\[(\d+)\]", body))
    assert {(kind, at) for kind, at in used - named if int(at) < rests.get(kind, 99)} == set()
    # And nothing is named that the script does not take: at most what it reaches by a computed index.
    assert {(kind, at) for kind, at in named - used if kind == "KEYS"} == set()
    assert header.startswith("-- ")


def test_scripts_are_read_by_name() -> None:
    assert all(store_connection.script_text(path.stem) for path in SCRIPTS)


def test_keys_are_built_in_one_place() -> None:
    prefix = "awb:" + "v1"
    found = [
        name_of(path)
        for path in [*MODULES, *SCRIPTS]
        if prefix in path.read_text(encoding="utf-8") and name_of(path) != "app/store/keys.py"
    ]
    assert found == []


#: What tells the time of day. A monotonic clock is free to all: it measures, and says nothing of today.
WALL_CLOCKS = re.compile(r"(date|datetime)\.(now|utcnow|today)$|^time\.(time|time_ns|localtime|gmtime|ctime|strftime)$")


def test_one_module_reads_the_clock() -> None:
    readers = {name_of(path) for path in MODULES for use, _ in calls_in(path) if WALL_CLOCKS.search(use)}
    # The simulator plays the world outside, which has clocks of its own.
    assert {name for name in readers if not name.startswith("app/simulator/")} == {"app/clock.py"}


def test_a_reader_of_the_clock_would_be_found() -> None:
    samples = ["datetime.now", "datetime.datetime.now", "dt.date.today", "time.time", "datetime.utcnow"]
    assert all(WALL_CLOCKS.search(sample) for sample in samples)
    assert not any(WALL_CLOCKS.search(sample) for sample in ("clock.now", "time.monotonic", "connection.time"))
    assert datetime.now(UTC)


def test_the_receiver_never_imports_the_workers_code() -> None:
    code = "import sys, app.web.factory; print([name for name in sys.modules if name.startswith('workers')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def rule_lines() -> Iterator[str]:
    """Yield the lines of pyproject.toml that switch rules of ruff off."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[tool.ruff.lint]\n")[2].partition("[tool.mypy]")[0]
    for line in section.splitlines():
        if re.search(r'"[A-Z]+[0-9]*"', line) and not line.startswith("select"):
            yield line.strip()


def test_every_rule_that_is_off_has_a_reason() -> None:
    assert len(list(rule_lines())) > 10
    assert [line for line in rule_lines() if not re.search(r"#\s*\S+", line)] == []


def test_every_exception_in_the_code_names_its_rule() -> None:
    blanket = re.compile(r"#\s*(noqa(?!: [A-Z])|type: ignore(?!\[))")
    sources = [*MODULES, *(ROOT / "tests").rglob("*.py")]
    found = [f"{name_of(p)}: {line}" for p in sources for line in p.read_text().splitlines() if blanket.search(line)]
    assert [line for line in found if "re.compile" not in line] == []


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


#: Put together here, so that this file is none that mentions them.
NOT_OURS = [
    "/" + "work/",
    "/" + "root/",
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "npmjs" + ".org",
    "yarn" + "pkg.com",
    "proxy." + "golang.org",
    "crates" + ".io",
]


@pytest.mark.parametrize("text", NOT_OURS)
def test_no_tracked_file_speaks_of_one_machine_or_a_registry(text: str) -> None:
    assert [name_of(path) for path in tracked() if text.encode() in path.read_bytes()] == []


def test_what_is_installed_has_its_default_files() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(included) == {name_of(path) for path in (ROOT / "config").glob("*.toml")} | {"deploy/systemd", "docs"}
    assert all(target == f"app/defaults/{Path(source).name}" for source, target in included.items())
