"""How evidence is stored."""

import json

import pytest
from hypothesis import given

from app.core.count.delivery import Event
from app.core.count.evidence import Evidence, EvidenceKind
from app.core.text.compact import compact
from app.store.count.evidencetext import read_evidence, write_evidence
from tests.core.test_evidence import EVENTS, C, R, event, evidence_of


@given(EVENTS)
def test_evidence_survives_the_store_compressed_and_as_the_text_of_earlier_versions(
    told: list[tuple[EvidenceKind, Event]],
) -> None:
    known = evidence_of(*told)
    assert read_evidence(write_evidence(known)) == known
    assert read_evidence(json.dumps(known.as_json()).encode()) == known


def test_evidence_that_was_stored_compressed_is_read() -> None:
    stored = bytes.fromhex(
        "78f96bc878466d904b0a80300c44efe2da4892d2961e27b47155a868bbf0f62a823fdccc6216c39b771974de9365c4816ddf61c0c0a34688a406ac530f621081853810a7718fdbc8be39b7acaffbe79d27b624f990d351c72c2d291c3a965fdc92134c73a9a5ae93bed837e8373762"
    )
    assert [one.message_id for one in read_evidence(stored).resumed] == ["09092fec-c1e3-56e7-a300-2a12912df912"]


def test_compressed_evidence_takes_less_than_half() -> None:
    ids = [f"{n:08x}-c1e3-56e7-a300-{n * 7919:012x}" for n in range(3)]
    known = evidence_of((C, event(ids[0], 1.25)), (C, event(ids[1], 1.5)), (R, event(ids[2], 2.75)))
    assert len(write_evidence(known)) < len(compact(known.as_json())) / 2


@pytest.mark.parametrize("stored", [b"\x78", b"\x78\xda garbage", b"\x00", b"[", write_evidence(Evidence())[:-4]])
def test_anything_else_is_an_error(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_evidence(stored)
