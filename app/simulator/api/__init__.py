"""Coder's REST API over a simulated world."""

from app.simulator.api.faults import ApiFaults, FaultKind
from app.simulator.api.server import ApiServer

__all__ = ["ApiFaults", "ApiServer", "FaultKind"]
