"""Redis Cluster: all keys have one hash tag, so a single node serves them, and a connection to that node suffices."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis
from redis.crc import key_slot
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from app.store import keys
from app.store.server.sentinel import client

#: The same for all keys, if the prefix has a hash tag.
SLOT: Final = key_slot(keys.PROBE.encode())


class SlotMaster:
    """The present master of the slot of all keys; safe to share between threads.

    Args:
        nodes: host and port of some nodes.
        access: as for `app.store.server.sentinel.Master`; the same user and password for all nodes.
        tls: whether to use TLS.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]], access: Mapping[str, Any], *, tls: bool) -> None:
        self._lock = threading.Lock()
        self._access, self._tls = access, tls
        self._named = list(nodes)
        self._known: list[tuple[str, int]] = []
        self._clients: dict[tuple[str, int], redis.Redis] = {}

    def address(self) -> tuple[str, int]:
        """Ask the nodes for the address of the master of the slot.

        Raises:
            redis.exceptions.ConnectionError: no node that answers knows one.
            redis.exceptions.ResponseError: the user may not ask for it.
        """
        with self._lock:
            # The named ones first: a node that has been removed from the cluster answers as well.
            for node in dict.fromkeys([*self._named, *self._known]):
                try:
                    found = self._ask(node)
                except AuthenticationError:
                    raise
                except (RedisConnectionError, redis.exceptions.TimeoutError, OSError):
                    continue
                if found:
                    self._known = found
                    return found[0]
        raise RedisConnectionError(f"no node of Redis Cluster that answers knows who serves slot {SLOT}")

    def _ask(self, node: tuple[str, int]) -> list[tuple[str, int]]:
        asked = self._client(node)
        # A node that is cut off from the majority still believes what held before.
        if b"cluster_state:ok" not in asked.execute_command("CLUSTER", "INFO", NEVER_DECODE=[]):
            return []
        return _serving(asked.execute_command("CLUSTER", "SLOTS", NEVER_DECODE=[]), node[0])

    def _client(self, node: tuple[str, int]) -> Any:
        if node not in self._clients:
            self._clients[node] = client(*node, self._access, tls=self._tls)
        return self._clients[node]


def slot_master_of(connection: "redis.Redis") -> SlotMaster | None:
    """Return the object that finds the node for a connection; None if its address is fixed."""
    found = connection.connection_pool.connection_kwargs.get("master")
    return found if isinstance(found, SlotMaster) else None


def _serving(slots: Any, asked: str) -> list[tuple[str, int]]:
    """Return the master of the slot and then its replicas; nothing if the slot is not served."""
    for first, last, *nodes in slots:
        if first <= SLOT <= last:
            # A node that does not know its own address leaves it empty.
            return [((host or b"").decode() or asked, int(port)) for host, port, *_ in nodes]
    return []
