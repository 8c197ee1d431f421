"""Every target holds for its examples, and for those with a few bytes changed; `make fuzz` does the rest."""

import random

import pytest

from tests.fuzz.targets import FUZZED, Fuzzed

_CHANGED = 25


def changed(example: bytes, rng: random.Random) -> bytes:
    """Return an example with a few bytes replaced, dropped, doubled or moved."""
    data = bytearray(example)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = rng.choice((b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"9" * 5000, b"\n", b"[" * 2000))
            case 1:
                del data[at : at + rng.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 200)]
            case _:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
    return bytes(data)


@pytest.mark.parametrize("fuzzed", FUZZED, ids=lambda fuzzed: fuzzed.name)
def test_a_target_holds_for_its_examples_and_their_changed_kin(fuzzed: Fuzzed) -> None:
    rng = random.Random(fuzzed.name)
    examples = fuzzed.examples()
    assert examples
    with fuzzed.open() as target:
        for example in examples:
            target(example)
        for _ in range(_CHANGED * 4):
            target(changed(rng.choice(examples), rng))
