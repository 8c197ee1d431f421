"""Showing findings, of `awb doctor` and of a check of Coder."""

from collections.abc import Iterable

from rich.markup import escape

from app.cli.base import EXIT_FAILED, out, print_json
from app.core.finding import Finding, Result

_MARKS = {
    Result.OK: "[green]ok[/green]     ",
    Result.WARNING: "[yellow]warning[/yellow]",
    Result.ERROR: "[red]ERROR[/red]  ",
}


def show_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print findings as they are made, or as JSON, and return the exit code: 1 if something is broken."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            out.print(f"{_MARKS[finding.outcome]} {escape(f'{finding.check:<22} {finding.message}')}", markup=True)
            if finding.hint:
                out.print(f"{'':31}→ {escape(finding.hint)}")
    if as_json:
        print_json(
            [{"check": f.check, "outcome": f.outcome.value, "message": f.message, "hint": f.hint} for f in found]
        )
    return EXIT_FAILED if any(f.outcome is Result.ERROR for f in found) else 0
