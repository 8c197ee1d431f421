"""A page as Debian's Chromium shows it, saved as a picture in docs/."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"


def take(page: str, name: str, width: int, height: int, *, scale: float = 1) -> None:
    """Save a page of HTML as `docs/<name>`.

    Raises:
        subprocess.CalledProcessError: Chromium failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "page.html")
        source.write_text(page, encoding="utf-8")
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={folder}/profile",
                f"--force-device-scale-factor={scale:g}",
                f"--window-size={width},{height}",
                f"--screenshot={DOCS / name}",
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
