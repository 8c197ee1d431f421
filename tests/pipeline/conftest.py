"""Sets the clock for simulated worlds, and silences the log."""

import logging
from collections.abc import Iterator

import pytest
import structlog
import time_machine

from tests.pipeline.streams import STARTED_AT


@pytest.fixture(scope="package", autouse=True)
def _quiet() -> Iterator[None]:
    # Thousands of log lines with a failure help nobody.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def world_clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock a week after the first delivery of every stream."""
    with time_machine.travel(STARTED_AT + 7 * 86_400, tick=False) as traveller:
        yield traveller
