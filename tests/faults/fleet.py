"""A master with replicas and sentinels: real servers on this machine."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import redis
import redis.exceptions

from app.simulator.loopback import free_port
from tests.conftest import RedisServer, wait_until
from tests.guides.blocks import block
from workers import embedded

SERVICE = "awb"
#: Milliseconds of silence after which a sentinel considers a server down.
DOWN_AFTER = 1000


def documented_rules(password: str) -> list[str]:
    """Return the rules of the user in docs/redis.md."""
    line = block("docs/redis.md", "Redis that you run yourself", 2)
    return [word.replace(">PASSWORD", f">{password}") for word in line.removeprefix("ACL SETUSER awb ").split()]


class Fleet:
    """Servers and sentinels.

    Args:
        directory: where they store their data.
        servers: the number of servers; the first one starts as master.
        sentinels: the number of sentinels; a majority decides on a failover.
        password: of the servers' user `awb`, of their admin, and of the sentinels; empty for none.
        tls: settings by which servers and sentinels accept only TLS; empty for plain TCP.
    """

    def __init__(
        self,
        directory: Path,
        *,
        servers: int = 2,
        sentinels: int = 1,
        password: str = "",
        tls: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.directory = directory
        self.password = password
        self.ports = [free_port() for _ in range(servers)]
        self.sentinel_ports = [free_port() for _ in range(sentinels)]
        self._tls = [(name, str(value)) for name, value in tls.items()]
        self._port = "tls-port" if tls else "port"
        self.servers = []
        for port in self.ports:
            (directory / str(port)).mkdir()
            bound = ["--bind", "127.0.0.1", f"--{self._port}", str(port), "--repl-diskless-sync-delay", "0"]
            words = [word for name, value in self._tls for word in (f"--{name}", value)]
            self.servers.append(RedisServer(directory / str(port), *bound, *words))
        self.sentinels: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sentinel in self.sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            if server.process:
                server.kill()

    def start(self) -> Self:
        """Start everything, and wait until all know each other."""
        for server in self.servers:
            server.start()
            if self.password:
                self._lock(redis.Redis.from_url(server.url))
        for number in range(1, len(self.servers)):
            self.admin(number).replicaof("127.0.0.1", self.ports[0])
        wait_until(self.whole)
        for port in self.sentinel_ports:
            config = self.directory / f"sentinel-{port}.conf"
            config.write_text("\n".join(self._sentinel_lines(port)) + "\n", encoding="utf-8")
            command = [str(embedded.find_server()), str(config), "--sentinel"]
            self.sentinels.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self.directory))
        for port in self.sentinel_ports:
            wait_until(lambda port=port: self._sees_all(self.sentinel(port)))
        return self

    def restart(self, number: int) -> None:
        """Restart a killed server; it acts as a master until a sentinel corrects it."""
        self.servers[number].start()
        if self.password:
            self._lock(redis.Redis.from_url(self.servers[number].url))

    def _lock(self, admin: Any) -> None:
        admin.config_set("masterauth", self.password)
        admin.execute_command("ACL", "SETUSER", "awb", *documented_rules(self.password))
        admin.config_set("requirepass", self.password)

    def _sentinel_lines(self, port: int) -> list[str]:
        quorum = len(self.sentinel_ports) // 2 + 1
        secret = [f"requirepass {self.password}"] if self.password else []
        known = [f"sentinel auth-pass {SERVICE} {self.password}"] if self.password else []
        return [
            "bind 127.0.0.1",
            *(["port 0"] if self._tls else []),
            f"{self._port} {port}",
            f"dir {self.directory}",
            *(f"{name} {value}" for name, value in self._tls),
            *secret,
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.ports[0]} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}",
            f"sentinel failover-timeout {SERVICE} 10000",
            *known,
        ]

    def sentinel(self, port: int) -> Any:
        """Return a connection to one sentinel."""
        files = {"ssl": True, "ssl_ca_certs": dict(self._tls)["tls-ca-cert-file"]} if self._tls else {}
        return redis.Redis(port=port, host="127.0.0.1", password=self.password or None, **files)

    def _sees_all(self, sentinel: Any) -> bool:
        try:
            found = sentinel.sentinel_masters()[SERVICE]
        except (redis.exceptions.RedisError, KeyError):
            return False
        seen = (found["num-slaves"], found["num-other-sentinels"])
        return seen == (len(self.servers) - 1, len(self.sentinel_ports) - 1)

    @property
    def url(self) -> str:
        """The setting that leads to the present master."""
        scheme, user = "rediss" if self._tls else "redis", f"awb:{self.password}@" if self.password else ""
        return f"{scheme}+sentinel://{user}{self.hosts}/{SERVICE}"

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)

    def admin(self, number: int) -> Any:
        """Return a connection to one server through its socket."""
        return redis.Redis.from_url(embedded.url(self.servers[number].directory), password=self.password or None)

    def replication(self, number: int) -> dict[str, Any]:
        """Return the replication state that a server reports; empty while it is down."""
        try:
            return dict(self.admin(number).info("replication"))
        except redis.exceptions.RedisError:
            return {}

    def masters(self) -> list[int]:
        """Return the numbers of the servers that report being the master."""
        return [n for n in range(len(self.servers)) if self.replication(n).get("role") == "master"]

    def whole(self) -> bool:
        """Return whether there is one master and all other servers are its up-to-date replicas."""
        masters = self.masters()
        if len(masters) != 1:
            return False
        others = [self.replication(n) for n in range(len(self.servers)) if n != masters[0]]
        return all(one.get("master_link_status") == "up" for one in others) and all(
            one.get("master_port") == self.ports[masters[0]] for one in others
        )
