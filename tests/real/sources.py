"""What real Coder servers sent and answered: samples of the same structure, and the originals if available.

The originals (v2.31.9, v2.29.6, v2.28.11; enterprise binary without licence, and AGPL) are not in this repository.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.core.make import ROOT

SAMPLES = Path(__file__).parent / "samples"
ORIGINALS = Path(os.environ.get("AWB_SHARED_REAL") or ROOT.parent / "shared" / "coder" / "real")
SOURCES = [SAMPLES, *([ORIGINALS] if ORIGINALS.is_dir() else [])]
#: Why the originals are not replayed; the reason of a skipped test.
MISSING = f"no originals at {ORIGINALS}: only the samples are replayed; AWB_SHARED_REAL names another place"


def name_of(source: Path) -> str:
    return "samples" if source == SAMPLES else "originals"


def read(source: Path, kind: str, name: str) -> Any:
    return json.loads((source / kind / f"{name}.json").read_text(encoding="utf-8"))


def names_in(source: Path, kind: str) -> set[str]:
    return {path.stem for path in (source / kind).glob("*.json")}


@dataclass(frozen=True, slots=True)
class Answer:
    """A captured exchange: the request and the answer."""

    method: str
    path: str
    status: int
    body: Any

    @property
    def workspace_id(self) -> str:
        return self.path.split("/")[4]


def answer(source: Path, name: str) -> Answer:
    raw = read(source, "api", name)
    if "request" not in raw:
        return Answer("GET", f"/api/v2/workspacebuilds/{raw['id']}", 200, raw)
    method, target = raw["request"].split()[:2]
    return Answer(method, target.partition("?")[0], raw["status"], raw["response"])


def shape(value: Any) -> Any:
    """Return the structure of JSON: keys and kinds of values; for a list, those of all its members together."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [list] if value else []
    return type(value)
