"""Configuration of the static site: `make docs`."""

import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[1]

project = "Coder AWB meter"
release = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
# Headings have the same ids as on GitHub and on the meter's own pages.
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"Coder AWB meter {release}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
# Code blocks are shell, logs and configuration of several programs.
highlight_language = "none"
# It has no lexer for configurations of HAProxy.
suppress_warnings = ["misc.highlighting_failure"]
