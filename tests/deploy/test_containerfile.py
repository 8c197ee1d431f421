"""The Containerfile: nothing in it depends on one registry, a shell at run time, or root."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "container"
TEXT = (FOLDER / "Containerfile").read_text(encoding="utf-8")
#: Without comments, one instruction a line.
LINES = [
    line
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
    if line.strip()
]
LAST_STAGE = LINES[max(n for n, line in enumerate(LINES) if line.startswith("FROM ")) :]


def arguments(instruction: str, lines: list[str] = LINES) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in lines if line.startswith(instruction + " ")]


def test_the_base_is_an_argument_and_names_no_registry() -> None:
    assert {line.split()[0] for line in arguments("FROM")} == {"${BASE}"}
    (base,) = [line for line in arguments("ARG") if line.startswith("BASE=")]
    assert "/" not in base


def test_nothing_runs_in_the_image_that_is_built_so_that_its_base_needs_no_shell() -> None:
    assert arguments("RUN", LAST_STAGE) == []


def test_what_runs_needs_no_shell_and_no_root() -> None:
    for instruction in ("ENTRYPOINT", "CMD"):
        (words,) = arguments(instruction)
        assert words.startswith('["awb"' if instruction == "ENTRYPOINT" else '["')
    (check,) = arguments("HEALTHCHECK")
    assert check.endswith('CMD ["awb", "healthcheck"]')
    (user,) = arguments("USER")
    assert re.fullmatch(r"[1-9][0-9]*:0", user), "a number, so that Kubernetes knows that it is not root"


def test_packages_are_those_of_the_lock_file() -> None:
    installs = [part for line in arguments("RUN") for part in line.split("&&") if "pip" in part and " install " in part]
    assert len(installs) > 2
    for install in installs:
        assert "--require-hashes -r requirements.lock" in install or "$wheel" in install, install


def test_everything_that_the_wheel_is_made_of_is_copied_and_exists() -> None:
    copied = {word for line in arguments("COPY") if "--from" not in line for word in line.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    assert {one for one in needed if not any(Path(one).is_relative_to(there) for there in copied)} == set()
    assert all((ROOT / name).exists() for name in copied)
