"""Every code block of every document is run by a test that takes it from there, or a reason says why it cannot be."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.guides.blocks import Place, blocks_of, documents, taken

#: Blocks that no test here can run, and why.
NOT_RUN: Final[Mapping[Place, str]] = {
    Place("docs/install/kubernetes.md", "See that it works"): (
        "it waits for pods, and pods need nodes; tests/deploy/test_pods.py runs what is in them"
    ),
    Place("docs/install/kubernetes.md", "See that it works", 2): "it forwards to a pod, and pods need nodes",
}

BLOCKS: Final = [block.place for document in documents() for block in blocks_of(document)]


def test_documents_and_blocks_are_found() -> None:
    assert {"README.md", "SECURITY.md", "docs/install/pip.md", "deploy/helm/awb-meter/README.md"} <= set(documents())
    assert {Place("docs/backup.md", "Restore"), Place("docs/redis.md", "Redis that you run yourself", 2)} <= set(BLOCKS)


@pytest.mark.parametrize("place", BLOCKS, ids=lambda place: f"{place.document}#{place.heading}-{place.number}")
def test_a_block_is_run_by_a_test_or_has_a_reason(place: Place) -> None:
    by = [one.by for one in taken() if one.place == place]
    assert bool(by) != (place in NOT_RUN), f"taken by {by or 'no test'}; reason: {NOT_RUN.get(place, 'none')}"


def test_no_test_and_no_reason_is_about_a_block_that_is_gone() -> None:
    assert [one for one in taken() if one.place not in BLOCKS] == []
    assert [place for place in NOT_RUN if place not in BLOCKS] == []
