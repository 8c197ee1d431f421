"""The documentation that the meter shows: every link leads somewhere, and every check has a remedy."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml
from flask.testing import FlaskClient

from app.web.docs.library import picture, remedy
from tests.syntax import parse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMES = sorted(str(file.relative_to(DOCS).with_suffix("")) for file in DOCS.rglob("*.md"))
#: Where findings are made.
CHECKERS = ("app/doctor", "app/core/health", "app/core/coder", "app/pipeline/operate", "app/answers")
_CHECK = re.compile(
    r"(access|secret|redis|receiver|receivers|clock|relay|relays|alerts|notifications|workers|queues|jobs|scheduler|"
    r"input|coder|count|sweep|data|config)\.[a-z-]+"
)


def checks() -> Iterator[str]:
    """Return the id of every check: what is the first argument of a Finding, or bound to a name for it."""
    for folder in CHECKERS:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CHECK.fullmatch(node.value):
                    yield node.value


def page(client: FlaskClient, name: str) -> str:
    answer = client.get(f"/docs/{name}")
    assert answer.status_code == 200
    return answer.text


def article(text: str) -> str:
    return text[text.index("<article") : text.index("</article>")]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_and_picture_leads_somewhere(client: FlaskClient, name: str) -> None:
    html = article(page(client, name))
    for link in re.findall(r'href="([^"]*)"', html):
        target, _, fragment = urljoin(f"/docs/{name}", link).partition("#")
        if target.startswith("/docs/"):
            assert not fragment or f'id="{fragment}"' in page(client, target.removeprefix("/docs/")), link
        else:
            assert target.startswith("http"), link
    for source in re.findall(r'src="([^"]*)"', html):
        assert client.get(source).mimetype in ("image/png", "image/svg+xml"), source


def test_the_index_leads_to_every_document(client: FlaskClient) -> None:
    html = client.get("/docs").text
    assert [name for name in NAMES if name != "index" and f'href="/docs/{name}"' not in html] == []
    assert "toctree" not in html


@pytest.mark.parametrize(
    "path", ["nothing", "../README", "conf.py", "pictures/../conf.py", "%2e%2e/pyproject", "INDEX"]
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(f"/docs/{path}").status_code == 404


def test_pictures_come_from_the_documentation_only() -> None:
    assert picture("pictures/usage-light.png") is not None
    assert picture("pictures/../../tests/x.png") is None


def test_every_check_has_a_remedy_in_the_runbook() -> None:
    found = set(checks())
    assert {"redis.reachable", "coder.api", "input.deliveries"} <= found
    assert sorted(check for check in found if not remedy(check)) == []


def test_the_runbook_names_only_checks_that_exist() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([a-z]+\.[a-z-]+)`", text) if _CHECK.fullmatch(name)}
    assert named - set(checks()) == set()


def test_every_alert_rule_links_to_a_section_that_exists_and_names_it(client: FlaskClient) -> None:
    html = page(client, "runbook")
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    groups = yaml.safe_load((ROOT / "deploy/prometheus/awb-alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        slug = rule["annotations"]["runbook_url"].rpartition("/docs/runbook#")[2]
        assert f'id="{slug}"' in html
        section = next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if f"`{rule['alert']}`" in part)
        assert re.sub(r"[^\w\- ]", "", section.partition("\n")[0].lower()).replace(" ", "-") == slug


def test_a_finding_and_a_step_on_a_page_link_to_their_section(client: FlaskClient) -> None:
    text = client.get("/").text
    assert 'href="/docs/runbook#warnings-are-not-delivered"' in text
    assert '<a href="/docs/connect">docs/connect.md</a>' in text


def test_the_static_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "-b",
        "html",
        "-d",
        tmp_path / "cache",
        DOCS,
        tmp_path / "site",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Coder AWB meter" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
