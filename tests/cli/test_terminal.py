"""What others named reaches the terminal as text, whichever command prints it."""

import json
import re
import sys

import pytest
import redis
from rich.console import Console

from app.cli.commands import SECTIONS
from app.cli.terminal import CleanStream, Out
from app.config.load import Config
from app.store.store import Store
from tests.cli.conftest import Awb
from tests.cli.make import DEPLOYMENT, build, put
from tests.web.make import ROOT

WICKED = "\x1b]0;owned\x07\x1b[31mred\x00\x08\r\x7f\x9b2J\x85\u202eevil\u2066\u200f\u2028"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

COMMANDS = [
    ["status"],
    ["top"],
    ["top", "--by", "template"],
    ["why", "w-wicked"],
    ["why", WICKED],
    ["periods"],
    ["forecast"],
    ["alerts"],
    ["events"],
    ["messages"],
    ["silence", "list"],
    ["queues"],
    ["queues", "failed"],
    ["quarantine"],
    ["quarantine", "list"],
    ["quarantine", "show", f"m{WICKED}"],
    ["deployments"],
    ["status", "--deployment", WICKED],
    ["explain", f"/nowhere/{WICKED}"],
    ["import", f"/nowhere/{WICKED}"],
    [WICKED],
]


@pytest.fixture
def named(connection: "redis.Redis", config: Config) -> None:
    """Give everything that others name a name that steers terminals."""
    put(
        connection,
        [
            build(
                1,
                workspace_id="w-wicked",
                workspace=WICKED,
                owner=WICKED,
                template=WICKED,
                organization=WICKED,
                reason=WICKED,
                deliveries=(WICKED,),
            )
        ],
    )
    store = Store(connection, DEPLOYMENT)
    store.audit.write(WICKED, WICKED, WICKED)
    store.inbox.quarantine(f"m{WICKED}", 1.0, WICKED, WICKED.encode(), keep=True)


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words).replace(WICKED, "…") for words in COMMANDS])
def test_no_command_prints_what_a_terminal_acts_on(awb: Awb, named: None, words: list[str]) -> None:
    for more in ([], ["--json"]):
        result = awb(*words, *more)
        assert ACTS.findall(result.output) == []


def test_the_names_are_shown_all_the_same(awb: Awb, named: None) -> None:
    for words in (["top"], ["why", "w-wicked"]):
        assert "red" in awb(*words).stdout
        assert "evil" in awb(*words).stdout
    assert [row["name"] for row in json.loads(awb("top", "--json").stdout)["rows"]] == [WICKED]


def test_a_file_that_goes_elsewhere_has_the_names_as_they_are(awb: Awb, named: None) -> None:
    assert WICKED.encode() in awb("export").stdout_bytes


def test_what_is_ours_may_steer_the_terminal() -> None:
    shown = Out(force_terminal=True, color_system="standard", highlight=False)
    with shown.capture() as captured:
        shown.print(f"[red]{WICKED}[/red]")
    assert captured.get().startswith("\x1b[31m")
    assert "\x1b]0;" not in captured.get()
    assert "\x9b" not in captured.get()


def test_a_command_leaves_the_streams_as_they_were(awb: Awb) -> None:
    before = sys.stdout, sys.stderr
    awb("access", "token", "--role", "viewer")
    assert (sys.stdout, sys.stderr) == before
    assert not isinstance(sys.stdout, CleanStream)


def test_every_console_is_the_clean_one() -> None:
    """Another console would write to the terminal behind the streams."""
    for file in (ROOT / "app" / "cli").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert file.name == "terminal.py" or not re.search(r"(?<!\w)Console\(", text), file.name
    assert issubclass(Out, Console)
    assert sum(map(len, SECTIONS.values())) > 20
