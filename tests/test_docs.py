"""The documentation is complete: what exists is mentioned, and what is mentioned exists."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli import main
from app.config.load import load
from app.config.settings import SECRET_FIELDS, Settings
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import make_config

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "config" / "awb-meter.toml"]
FOR_PEOPLE = FILES[:-1]


def text_of(files: list[Path]) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def commands(group: click.Group = main, before: str = "awb") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{before} {name}"


def paths() -> set[str]:
    """Return the HTTP paths up to their first variable part."""
    app = create_app(make_config(), connect("unix:///nowhere"))
    return {rule.rule.partition("/<")[0] for rule in app.url_map.iter_rules()}


def mentioned(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", text) is not None


def missing(names: set[str], files: list[Path]) -> list[str]:
    text = text_of(files)
    return sorted(name for name in names if not mentioned(name, text))


def test_every_setting_is_mentioned() -> None:
    assert missing(set(Settings.model_fields), FILES) == []


def test_every_command_is_mentioned() -> None:
    assert missing(set(commands()), FILES) == []


def test_every_http_path_is_mentioned() -> None:
    assert missing(paths(), FOR_PEOPLE) == []


def test_variables_that_are_no_setting_are_mentioned() -> None:
    assert missing({"AWB_CONFIG", "AWB_<KEY>_FILE"}, FILES) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_that_is_mentioned_exists(file: Path) -> None:
    known = {f"AWB_{key.upper()}" for key in Settings.model_fields} | {"AWB_CONFIG"}
    known |= {f"AWB_{key.upper()}_FILE" for key in SECRET_FIELDS}
    named = set(re.findall(r"\bAWB_[A-Z][A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_command_that_is_mentioned_exists(file: Path) -> None:
    known = set(commands())
    # A group may be named without one of its commands.
    known |= {command.rpartition(" ")[0] for command in known if command.count(" ") > 1}
    groups = "|".join(name for name, command in main.commands.items() if isinstance(command, click.Group))
    named = set(re.findall(rf"`(awb (?:(?:{groups}) )?[a-z][a-z-]+)", file.read_text(encoding="utf-8")))
    assert {name for name in named if name not in known and name.rpartition(" ")[0] not in known} == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_path_that_is_mentioned_exists(file: Path) -> None:
    named = set(re.findall(r"(?<![\w.])/(?:api/)?v1/[a-z]+[a-z./]*[a-z]", file.read_text(encoding="utf-8")))
    known = paths()
    assert {
        path for path in named if path not in known and not any(one.startswith(f"{path}/") for one in known)
    } == set()


@pytest.mark.parametrize("file", FOR_PEOPLE, ids=lambda file: file.name)
def test_every_link_into_the_repository_leads_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_readme_says_how_to_start_and_where_to_look() -> None:
    assert missing({"make", "awb doctor", "awb status", Settings().bind}, [ROOT / "README.md"]) == []


def test_no_licence_is_claimed_while_the_owner_has_not_decided() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not {"license", "license-files"} & project.keys()
    assert project["classifiers"] == ["Private :: Do Not Upload"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert list(ROOT.glob("LICEN*")) == []
    assert "licence is for the owner to decide" in readme


def test_lines_of_configuration_in_the_readme_are_valid() -> None:
    """Each AWB_… line in a block of code can be put into an environment as it stands."""
    blocks = re.findall(r"```\w*\n(.*?)```", text_of(FOR_PEOPLE), re.DOTALL)
    lines = re.findall(r"^(?:export )?(AWB_[A-Z_]+)=(\S.*?)(?:\s+#.*)?$", "\n".join(blocks), re.MULTILINE)
    environ = {name: value.strip("'\"") for name, value in lines if not name.endswith("_FILE")}
    given = {name for name in environ if "…" in environ[name] or "<" in environ[name]}
    assert load(environ={name: value for name, value in environ.items() if name not in given})
