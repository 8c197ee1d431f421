"""Commands within sentences and tables of the documents: targets of make exist, and `awb` takes what is written."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Final

import click
import pytest

from app.cli import main
from tests.guides.blocks import ROOT, block, blocks_of, documents
from tests.torture.__main__ import main as torture

#: These describe what is not in this tree: the past, and recipes.
_NOT: Final = ("CHANGELOG.md",)


def spans(first: str) -> list[str]:
    """Return every piece of inline code that begins with a word."""
    found = set[str]()
    for name in documents():
        if name not in _NOT:
            text = re.sub(
                r"^ *```.*?^ *```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
            )
            found |= {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text) if span.startswith(f"{first} ")}
    return sorted(found)


def lines(program: str) -> Iterator[str]:
    """Yield the lines of blocks that run a program."""
    for name in documents():
        for one in blocks_of(name):
            for line in one.text.splitlines():
                if line.startswith(f"{program} "):
                    yield line.partition("  #")[0]


def made(command: str) -> str:
    """Return what make would run."""
    command = command.replace("make ", "make --dry-run --no-print-directory ", 1).replace("…", "1")
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("command", sorted({*spans("make"), *lines("make")}))
def test_make_knows_the_targets_of(command: str) -> None:
    assert made(command)


def test_make_passes_the_documented_bounds_on_to_the_torture() -> None:
    usual, faults, again = block("docs/reliability.md", "Torture").splitlines()
    assert [options_of(line) for line in (usual, faults, again)] == [
        {},
        {"faults": 10_000},
        {"seed": 104, "rounds": 1},
    ]


def options_of(line: str) -> dict[str, object]:
    """Return the options that torture is given by a line of make."""
    words = shlex.split(made(line).splitlines()[-1].partition(" -m tests.torture")[2])
    context = torture.make_context("torture", words)
    given = click.core.ParameterSource.COMMANDLINE
    return {name: value for name, value in context.params.items() if context.get_parameter_source(name) is given}


def unknown(span: str) -> list[str]:
    """Return the words of a command of `awb` that it does not know."""
    ours = re.split(r" [|>] ", span.replace("…", ""))[0]
    words = [word.strip("[],") for word in ours.split()[1:]]
    command: click.Command = main
    found = [*main.params]
    strange = []
    for word in words:
        if word.startswith("-") and len(word) > 1:
            options = {option for param in found for option in (*param.opts, *param.secondary_opts)}
            strange += [word] if word.partition("=")[0] not in {*options, "--help"} else []
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            found += command.params
    return strange


@pytest.mark.parametrize("span", sorted({*spans("awb"), *lines("awb")}))
def test_awb_knows_the_options_of(span: str) -> None:
    assert unknown(span) == []


def test_an_option_that_does_not_exist_would_be_found() -> None:
    assert unknown("awb top --by user --upside-down") == ["--upside-down"]
    assert unknown("awb alerts ack NAME --levels 90%") == ["--levels"]
