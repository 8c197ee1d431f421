"""One target under atheris, whose Fuzz never returns."""

import sys

import atheris

with atheris.instrument_imports(include=["app", "waitress"]):
    from tests.fuzz.targets import FUZZED


def main() -> None:
    name = sys.argv.pop(1)
    [fuzzed] = [one for one in FUZZED if one.name == name]
    with fuzzed.open() as target:
        atheris.Setup(sys.argv, target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
