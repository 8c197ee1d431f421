"""`awb export` and `awb import`: what goes out comes in again, once, and harms nothing that is known better."""

import csv
import io
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from app.answers.records import Record
from app.cli.recordfile import FIELDS, lines_of, read_records
from app.config.load import Config
from app.core.count.meter import UsageRecord
from app.core.text.csvtext import csv_line, unguarded
from app.pipeline.count.count import count
from app.pipeline.operate.transfer import Imported, export, import_records
from app.store.store import Store
from tests.cli.conftest import Awb, rows_of
from tests.cli.make import DEPLOYMENT, PROVED, PROVISIONAL, build, put
from tests.pipeline.streams import Delivery, config_for, deliveries_of, messages_of

DAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
FORMATS = ["csv", "json", "jsonl"]


def here(connection: "redis.Redis", deployment: str = DEPLOYMENT) -> list[UsageRecord]:
    return list(export(Store(connection, deployment)))


def named(records: Sequence[UsageRecord]) -> list[tuple[Any, ...]]:
    """Return what has to be the same of records that went through a file; a file's moments are microseconds."""
    return sorted((one.key, one.state.value, round(one.at, 3), one.owner, one.template, one.weight) for one in records)


def take(
    connection: "redis.Redis", config: Config, records: Sequence[UsageRecord], to: str = "eu", **more: Any
) -> Imported:
    return import_records(Store(connection, to), config, lambda: iter(records), **more)


def on(deployment: str, deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [(deployment, *rest) for _, *rest in deliveries]


@pytest.fixture
def everything(connection: Any) -> Callable[[], dict[bytes, bytes]]:
    return lambda: {key: connection.dump(key) for key in connection.scan_iter(count=1000)}


# ---- files ----


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_holds_every_field_of_every_record(kind: str, tmp_path: Path) -> None:
    records = [
        build(1, DAY, weight=3, owner='=cmd|"x"', workspace="a,b\"c'd", template="'quoted", organization="-"),
        build(2, DAY, state=PROVISIONAL, key="hint:w2:1", build_id=None, deliveries=("m1", 'm 2,"3')),
    ]
    file = tmp_path / "records"
    file.write_text("".join(lines_of(records, kind)), encoding="utf-8")
    assert list(read_records(file)) == records


NASTY = ["", "'", "\r", "a\rb", "\n", "\r\n", "\x00", "a\x00b", '"', '""\r', "x" * 70_000, "\x85", "\u2028", "\x1b[31m"]
NASTY += [f"{before}{sign}1+1" for sign in "=+-@\t\r＝＋－＠" for before in ("", "'", "''", " ", "' ", "\n", "\ufeff")]


def any_text(**limits: Any) -> st.SearchStrategy[str]:
    """Return texts as Redis can hold them, the wicked ones often."""
    wicked = st.sampled_from(NASTY) | st.text(st.sampled_from("'=+-@\t\r\n\0\"\\, ﹢＝a"), max_size=8)
    found = st.one_of(wicked, st.text(), st.tuples(wicked, st.text()).map("".join))
    return found.filter(bool) if limits else found


def any_record() -> st.SearchStrategy[UsageRecord]:
    texts, names = any_text(), any_text(min_size=1)
    fields: dict[str, Any] = dict.fromkeys(("owner", "template", "organization", "workspace", "reason"), texts)
    fields |= dict.fromkeys(("workspace_id", "rule"), names)
    proved = names.flatmap(lambda name: st.builds(build, st.just(1), st.just(DAY), **fields, **exactly(name)))
    guess = {"state": st.just(PROVISIONAL), "build_id": st.none(), "key": names}
    deliveries = st.lists(names, min_size=1, max_size=3).map(tuple)
    return proved | st.builds(build, st.just(1), st.just(DAY), **fields, **guess, deliveries=deliveries)


def exactly(name: str) -> dict[str, Any]:
    return {"build_id": st.just(name), "key": st.just(f"build:{name}")}


@pytest.mark.parametrize("kind", FORMATS)
@given(records=st.lists(any_record(), max_size=3))
def test_a_file_gives_back_every_text_as_it_was(kind: str, records: list[UsageRecord]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records"
        file.write_text("".join(lines_of(records, kind)), encoding="utf-8", newline="")
        assert list(read_records(file)) == records


@pytest.mark.parametrize("kind", FORMATS)
def test_what_others_named_counts_the_same_elsewhere(
    awb: Awb, connection: "redis.Redis", kind: str, tmp_path: Path
) -> None:
    records = [build(number, DAY, owner=text, template=text[::-1], workspace=text) for number, text in enumerate(NASTY)]
    records += [build(500, DAY, key="build:" + "k" * 5000, build_id="k" * 5000)]
    put(connection, records)
    file = tmp_path / "records"
    assert awb("export", "--format", kind, "--output", str(file)).exit_code == 0
    assert awb("import", "--deployment", "eu", str(file)).exit_code == 0
    assert sorted(here(connection, "eu"), key=str) == sorted(here(connection), key=str)
    assert len(here(connection, "eu")) == len(records)


@given(text=any_text())
def test_no_cell_begins_with_what_a_spreadsheet_evaluates(text: str) -> None:
    (row,) = csv.reader([csv_line([text, 1])], strict=True)
    assert unguarded(row[0]) == text
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert not row[0].strip().startswith(("=", "+", "-", "@"))


ODD: dict[str, Callable[[str], str]] = {
    "empty last line": lambda text: text + "\n",
    "many empty last lines": lambda text: text + "\r\n \n\t\n\n",
    "no end of the last line": lambda text: text.removesuffix("\n"),
    "empty first line": lambda text: "\n \r\n" + text,
    "empty lines between": lambda text: text.replace("\n", "\n\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n") + "\r\n",
    "CR": lambda text: text.replace("\n", "\r"),
    "byte order mark": lambda text: f"\ufeff{text}\n",
    "byte order mark and empty lines": lambda text: f"\ufeff\r\n{text}\r\n",
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("odd", ODD)
def test_what_editors_add_to_a_file_refuses_nothing(awb: Awb, kind: str, odd: str, tmp_path: Path) -> None:
    file = tmp_path / "records"
    records = [build(1, DAY), build(2, DAY, owner="a,b")]
    file.write_bytes(ODD[odd]("".join(lines_of(records, kind))).encode())
    assert list(read_records(file)) == records
    result = awb("import", "--dry-run", str(file))
    assert (result.exit_code, rows_of(result)[0]) == (0, "2 records read: 2 would be new, 0 already known.")


def test_rows_of_empty_cells_as_spreadsheets_leave_them_are_no_records(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_text("".join(lines_of([build(1, DAY)], "csv")) + ("," * (len(FIELDS) - 1) + "\n") * 3 + ",\n")
    assert list(read_records(file)) == [build(1, DAY)]


@pytest.mark.parametrize("before", ["", "\n\n", "\ufeff\r\n"])
def test_the_line_of_a_mistake_is_the_file_s_own(before: str, tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_text(before + "".join(lines_of([build(1, DAY)], "csv")) + "\nx,y\n", encoding="utf-8", newline="")
    [_, wrong] = read_records(file)
    assert str(wrong).startswith(f"{file}:{before.count(chr(10)) + 4}: 2 cells, but the first line has")


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    text = "".join(lines_of([build(1, DAY, owner="=1+1", template="@x", organization="+y", workspace="-z")], "csv"))
    (row,) = csv.DictReader(io.StringIO(text))
    assert [row[name] for name in ("owner", "template", "organization", "workspace")] == ["'=1+1", "'@x", "'+y", "'-z"]


@pytest.mark.parametrize("kind", FORMATS)
def test_no_records_make_a_file_that_can_be_read(awb: Awb, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.write_text(awb("export", "--format", kind).stdout, encoding="utf-8")
    result = awb("import", str(file))
    assert (result.exit_code, rows_of(result)) == (0, ["0 records read: 0 new, 0 already known."])


def test_records_are_read_while_the_file_is_written(connection: "redis.Redis") -> None:
    """Constant memory: the first line is there before the last record is read."""
    read = []

    def records() -> Any:
        for number in range(3):
            read.append(number)
            yield build(number, DAY)

    lines = lines_of(records(), "jsonl")
    next(lines)
    assert read == [0]


# ---- export ----


def test_export_writes_the_newest_first_within_days(awb: Awb, connection: "redis.Redis") -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    put(connection, [build(n, day) for n, day in enumerate(days)])
    put(
        connection, [build(9, datetime(2026, 5, 6, tzinfo=UTC)), build(8, datetime(2026, 5, 5, 23, 59, 59, tzinfo=UTC))]
    )
    told = json.loads(awb("export", "--json", "--from", "2026-05-05", "--to", "2026-05-06").stdout)
    assert [one["key"] for one in told] == ["build:b2", "build:b9", "build:b8", "build:b1"]
    assert tuple(told[0]) == FIELDS
    assert told[0]["at"] == "2026-05-06T12:00:00Z"
    assert len(awb("export", "--format", "jsonl").stdout.splitlines()) == 6
    assert awb("export", "--from", "2026-05-06", "--to", "2026-05-05").exit_code == 2


def test_pages_are_put_together_without_gaps_and_doubles(connection: "redis.Redis") -> None:
    put(connection, [build(n, DAY + timedelta(seconds=n // 7)) for n in range(2345)])
    keys = [record.key for record in here(connection)]
    assert (len(keys), len(set(keys))) == (2345, 2345)


def test_a_file_has_its_name_only_when_it_is_whole(awb: Awb, connection: "redis.Redis", tmp_path: Path) -> None:
    put(connection, [build(1, DAY)])
    file = tmp_path / "records.csv"
    assert awb("export", "--output", str(file)).exit_code == 0
    assert file.read_text(encoding="utf-8").count("\n") == 2
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["records.csv"]
    wrong = awb("export", "--output", str(tmp_path / "nowhere" / "x.csv"))
    assert (wrong.exit_code, "cannot be written" in wrong.stderr) == (1, True)


# ---- import ----


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_exported_counts_the_same_elsewhere_and_twice_changes_nothing(
    awb: Awb, connection: "redis.Redis", config: Config, kind: str, tmp_path: Path, everything: Callable[[], Any]
) -> None:
    """Estimates of simulated traffic and proved builds, by command, from one deployment to another."""
    settings = {"AWB_AI_TEMPLATES": "claude-code-tasks,aider", "AWB_LIMIT": "1000"}
    count(connection, config, on(DEPLOYMENT, deliveries_of(messages_of(7, 60))))
    put(connection, [build(n, DAY) for n in range(5)])
    file = tmp_path / "records"
    file.write_text(awb("export", "--format", kind).stdout, encoding="utf-8")
    total = len(here(connection))
    assert total > 20
    before = everything()
    would = json.loads(awb("import", str(file), "--deployment", "eu", "--dry-run", "--json", **settings).stdout)
    assert would == {"dry_run": True, "read": total, "new": total, "known": 0, "held_back": 0}
    assert everything() == before
    did = json.loads(awb("import", str(file), "--deployment", "eu", "--json", **settings).stdout)
    assert did == {**would, "dry_run": False}
    assert len(here(connection, "eu")) == total
    assert named(here(connection, "eu")) == named(here(connection))
    before = everything()
    assert rows_of(awb("import", str(file), "--deployment", "eu", **settings)) == [
        f"{total:,} records read: 0 new, {total:,} already known."
    ]
    assert everything() == before


@pytest.mark.parametrize("seed", range(8))
def test_an_estimate_taken_over_in_any_order_and_parts_is_the_same(
    connection: "redis.Redis", redis_server: Any, seed: int
) -> None:
    config = config_for(redis_server.url)
    count(connection, config, on(DEPLOYMENT, deliveries_of(messages_of(seed, 50))))
    records = here(connection)
    rng = random.Random(seed)
    for _ in range(3):
        part = rng.sample(records, rng.randint(1, len(records)))
        take(connection, config, part)
    take(connection, config, rng.sample(records, len(records)))
    assert len(here(connection, "eu")) == len(records)
    assert {one.state for one in here(connection, "eu")} == {PROVISIONAL}


def test_an_estimate_grows_with_what_arrives_afterwards(connection: "redis.Redis", config: Config) -> None:
    first = hint(1, deliveries=("old-1",), rule="workspace-created-ai-template", template="ai-template")
    rules = {rule.verdict.evidence.value: rule.name for rule in config.rules if rule.verdict.evidence}
    first = replace(first, rule=rules["created"])
    assert take(connection, config, [first]) == Imported(new=1)
    resumed = replace(hint(1, deliveries=("old-2",)), rule=rules["resumed"], key="hint:w1:2", at=first.at + 60)
    assert take(connection, config, [first, resumed]) == Imported(new=1, known=1)
    # A pause proves a start, which is one of those that are known.
    paused = replace(hint(1, deliveries=("new",)), rule=rules["paused"], at=first.at + 90)
    assert take(connection, config, [paused]) == Imported(known=1)
    assert len(here(connection, "eu")) == 2


def hint(number: int, **fields: Any) -> UsageRecord:
    usual: dict[str, Any] = {"key": f"hint:w{number}:1", "state": PROVISIONAL, "build_id": None, "deliveries": ("m1",)}
    return build(number, DAY, **{**usual, "rule": "task-resumed", **fields})


@pytest.fixture
def resumed_rule(config: Config) -> str:
    return next(r.name for r in config.rules if r.verdict.evidence and r.verdict.evidence.value == "resumed")


def test_a_proved_record_is_never_changed_by_a_provisional_or_another_one(
    connection: "redis.Redis", config: Config, resumed_rule: str, everything: Callable[[], Any]
) -> None:
    put(connection, [build(1, DAY)], "eu")
    before = everything()
    other = build(1, DAY + timedelta(days=1), owner="mallory", weight=9)
    masked = hint(1, key="build:b1", rule=resumed_rule)
    assert take(connection, config, [other, masked, hint(1, rule=resumed_rule)]) == Imported(known=1, held_back=2)
    assert everything() == before


def test_builds_replace_the_estimate_that_they_explain_and_no_other(
    connection: "redis.Redis", config: Config, resumed_rule: str
) -> None:
    take(connection, config, [hint(1, rule=resumed_rule, deliveries=("m1",))])
    stranger, kin = build(1, DAY, deliveries=("m9",)), build(1, DAY, deliveries=("m1", "m2"))
    assert take(connection, config, [stranger]) == Imported(held_back=1)
    assert [one.key for one in here(connection, "eu")] == ["hint:w1:1"]
    assert take(connection, config, [kin]) == Imported(new=1)
    assert [one.key for one in here(connection, "eu")] == ["build:b1"]


def test_a_rule_that_this_meter_does_not_have_takes_nothing_over(connection: "redis.Redis", config: Config) -> None:
    assert take(connection, config, [hint(1, rule="gone")]) == Imported(held_back=1)
    assert here(connection, "eu") == []


def test_a_record_twice_in_one_file_counts_once(connection: "redis.Redis", config: Config, resumed_rule: str) -> None:
    twice = [build(1, DAY), build(1, DAY), hint(2, rule=resumed_rule), hint(2, rule=resumed_rule)]
    assert take(connection, config, twice) == Imported(new=2)
    assert len(here(connection, "eu")) == 2


def test_imports_that_race_count_everything_once(connection: "redis.Redis", config: Config, resumed_rule: str) -> None:
    """Eight at once, of the same workspaces: whoever loses a round reads again."""
    builds = [build(n, DAY, workspace_id=f"w{n % 3}") for n in range(40)]
    hints = [hint(n, rule=resumed_rule, workspace_id=f"v{n % 3}", deliveries=(f"m{n}",)) for n in range(40)]
    parts = [random.Random(seed).sample([*builds, *hints], 60) for seed in range(7)] + [[*builds, *hints]]
    with ThreadPoolExecutor(len(parts)) as pool:
        took = list(pool.map(lambda part: take(connection, config, part), parts))
    assert sum(one.held_back for one in took) == 0
    assert len(here(connection, "eu")) == 80
    assert named(here(connection, "eu"))[:40] == named(builds)


# ---- mistakes ----

GOOD = json.dumps({**Record.pick(build(1, DAY)).plain(), "at": "2026-05-04T12:00:00Z"})


def changed(**fields: Any) -> str:
    return json.dumps({**json.loads(GOOD), **fields})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":2: not a JSON object"),
        ("[" * 3000, ":2: not a JSON object"),
        ('"text"', ":2: Input should be"),
        (changed(at="yesterday"), ":2: at: "),
        (changed(at="2026-05-04T12:00:00"), ":2: at: Input should have timezone"),
        (changed(at="2099-01-01T00:00:00Z"), ":2: at is in the future"),
        (changed(state="guessed"), ":2: state: "),
        (changed(meter="seats"), ":2: meter: "),
        (changed(weight=0), ":2: weight: "),
        (changed(weight=10**9), ":2: weight: "),
        (changed(workspace_id=""), ":2: workspace_id: "),
        (changed(key="build:other"), ":2: the key of a proved record"),
        (changed(state="provisional", deliveries=[]), ":2: a provisional record must name"),
        (changed(deliveries="m1"), ":2: deliveries: "),
        (changed(extra=1), ":2: extra: "),
        (changed(reason="x" * 5_000_000), ":2: the line is longer"),
    ],
)
def test_one_wrong_line_is_named_and_nothing_is_imported(
    awb: Awb, connection: "redis.Redis", tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(f"{GOOD}\n{line}\n", encoding="utf-8")
    result = awb("import", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"awb: {file}{said}" in result.stderr
    assert "nothing was imported" in result.stderr
    assert connection.dbsize() == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", ":1: not a file of records"),
        (",".join(FIELDS).encode() + b"\nx,y\n", ":2: 2 cells"),
        (",".join(FIELDS).encode() + b'\n"x', ":2: not valid CSV"),
        (b"\xff\xfe\x00", ": is not UTF-8 text"),
        (b"\x00" * 10, ":1: "),
    ],
)
def test_what_is_no_file_of_records_is_said_to_be_none(
    awb: Awb, connection: "redis.Redis", tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "records.csv"
    file.write_bytes(content)
    result = awb("import", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"awb: {file}{said}" in result.stderr
    assert connection.dbsize() == 0


def test_very_many_wrong_lines_are_counted_and_not_all_shown(awb: Awb, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text("{}\n" * 100, encoding="utf-8")
    wrong = awb("import", str(file)).stderr.splitlines()
    assert len(wrong) == 1
    file.write_text(GOOD + "\n" + "{}\n" * 100, encoding="utf-8")
    wrong = awb("import", str(file)).stderr.splitlines()
    assert len(wrong) == 22
    assert wrong[-2:] == ["awb: and 80 more", "awb: 100 of 101 lines are not records; nothing was imported"]


def test_standard_input_is_a_file_too(awb: Awb, connection: "redis.Redis") -> None:
    assert rows_of(awb("import", "-", stdin=GOOD.encode())) == ["1 records read: 1 new, 0 already known."]
    assert [one.state for one in here(connection)] == [PROVED]
    wrong = awb("import", "-", stdin=b"{}")
    assert (wrong.exit_code, "awb: standard input:1: " in wrong.stderr) == (1, True)


def test_a_file_that_is_not_there_is_a_usage_error(awb: Awb, tmp_path: Path) -> None:
    assert awb("import", str(tmp_path / "nowhere.csv")).exit_code == 2
