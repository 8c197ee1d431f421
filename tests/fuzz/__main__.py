"""`make fuzz`: coverage-guided fuzzing with atheris of everything that parses untrusted input.

Each target has its own process and time. A finding is written to a file, which the same target can read again:
python -m tests.fuzz --only parser FILE
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import click

#: In MB; a target that exceeds it is a finding.
_MEMORY = 512
_LONGEST = 16_384


@click.command(help=__doc__)
@click.option("--seconds", default=60, show_default=True, help="For each target.")
@click.option("--only", default="", help="One target.")
@click.option("--seed", default=1, show_default=True)
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(seconds: int, only: str, seed: int, files: tuple[Path, ...]) -> None:
    from tests.fuzz.targets import FUZZED  # noqa: PLC0415 - a child imports it under instrumentation

    failed = []
    for fuzzed in FUZZED:
        if only not in ("", fuzzed.name):
            continue
        with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
            for number, example in enumerate(fuzzed.examples()):
                (Path(corpus) / f"{number:03}").write_bytes(example)
            options = [f"-max_total_time={seconds}", f"-rss_limit_mb={_MEMORY}", f"-max_len={_LONGEST}"]
            options += [f"-seed={seed}", "-timeout=20", "-print_final_stats=1", f"-artifact_prefix=fuzz-{fuzzed.name}-"]
            words = [str(file) for file in files] or [corpus]
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.child", fuzzed.name, *options, *words],
                capture_output=True,
                text=True,
                check=False,
            )
        said = done.stdout + done.stderr
        stats = [line.removeprefix("stat::") for line in said.splitlines() if line.startswith("stat::")]
        click.echo(
            f"{fuzzed.name}: {'held' if done.returncode == 0 else 'FAILED'}; {' '.join(' '.join(stats).split())}"
        )
        if done.returncode:
            failed.append(fuzzed.name)
            click.echo(said[-4000:])
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
