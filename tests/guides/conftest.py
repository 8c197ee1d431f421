"""Another user with `awb` and the tools of the tests on its PATH."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guides.shell import Shell


@pytest.fixture
def shell() -> Iterator[Shell]:
    with Shell(Path(sys.executable).parent) as opened:
        yield opened
