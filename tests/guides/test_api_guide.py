"""The calls of curl in docs/api.md, as they are written, to a receiver of this machine and to one behind TLS."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import redis
import time_machine
import trustme

from app.simulator.loopback import free_port
from app.store.server.connection import connect
from app.store.store import Store
from app.web.factory import create_app
from tests.cli.make import DEPLOYMENT, build, put
from tests.conftest import RedisServer, make_config
from tests.guides.blocks import block
from tests.store.test_tls import write
from tests.web.guarded import TOKENS, token_digest
from tests.web.proxies import Address, haproxy, serving

HOST = "awb.example.com"


@contextmanager
def behind_tls(upstream: Address, folder: Path) -> Iterator[tuple[Path, Address]]:
    """Run HAProxy with a certificate for the documented host, and yield the CA's file and the address."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert, key = write(folder, "server", authority.issue_cert(HOST))
    both = folder / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    port = free_port()
    parts = (
        f"frontend in\n  bind 127.0.0.1:{port} ssl crt {both}\n  default_backend out\n"
        "backend out\n  option forwardfor\n  server meter 127.0.0.1:8787\n"
    )
    with haproxy(upstream, parts=parts, port=port) as address:
        yield folder / "ca.pem", address


def test_the_calls_list_records_and_add_a_silence(
    redis_server: RedisServer, connection: "redis.Redis", tmp_path: Path
) -> None:
    at = [datetime(2030, 4, 30, 23, tzinfo=UTC), datetime(2030, 5, 1, tzinfo=UTC), datetime(2030, 5, 2, tzinfo=UTC)]
    put(connection, [build(number, one) for number, one in enumerate(at)])
    put(connection, [build(9, at[2], owner="grace")])
    here = make_config(redis_server.url)
    tokens = f"admin:{token_digest(TOKENS['admin'])}"
    public = make_config(redis_server.url, public_url=f"https://{HOST}", proxy_addresses="127.0.0.1", api_tokens=tokens)
    other = connect(redis_server.url)
    with (
        # A silence is for 400 days at most.
        time_machine.travel(datetime(2030, 5, 20, tzinfo=UTC)),
        serving(create_app(here, connection), here) as plain,
        serving(create_app(public, other), public) as upstream,
        behind_tls(upstream, tmp_path) as (authority, tls),
    ):
        # curl reads its own file of options: the documented addresses lead to these servers.
        (tmp_path / ".curlrc").write_text(
            f"noproxy = *\ncacert = {authority}\n"
            f"connect-to = 127.0.0.1:8787:127.0.0.1:{plain[1]}\nconnect-to = {HOST}:443:127.0.0.1:{tls[1]}\n",
            encoding="utf-8",
        )
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TOKEN": TOKENS["admin"]}
        script = block("docs/api.md", "HTTP API")
        done = subprocess.run(["sh", "-euc", script], env=environ, capture_output=True, text=True, check=True)
    records, end = json.JSONDecoder().raw_decode(done.stdout)
    silence = json.loads(done.stdout[end:])
    assert [one["key"] for one in records["records"]] == ["build:b2", "build:b1"]
    (stored,) = Store(connection, DEPLOYMENT).silences.all()
    assert (stored.id, stored.matchers) == (silence["id"], {"level": "90%"})
    assert stored.ends_at == datetime(2030, 6, 1, tzinfo=UTC)
