"""Where /metrics is: on the main address, or on one of its own that every process of the receiver serves."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import redis
import requests

from app.simulator.loopback import free_port
from app.web.factory import create_app
from tests.conftest import PATIENCE, RedisServer, make_config, wait_until
from tests.faults.system import name_of, processes
from tests.web.make import ROOT, receiver


def code(port: int, path: str) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=20).status_code
    except requests.ConnectionError:
        return 0


def test_metrics_are_on_the_main_address_by_default(connection: "redis.Redis") -> None:
    answer = create_app(make_config(), connection).test_client().get("/metrics")
    assert answer.status_code == 200
    assert b"awb_up 1.0" in answer.data


def test_metrics_that_have_an_address_of_their_own_are_not_on_the_main_one(redis_server: RedisServer) -> None:
    port = free_port()
    with receiver(redis_server.url, AWB_METRICS_BIND=f"127.0.0.1:{port}") as running:
        assert [code(port, path) for path in ("/metrics", "/healthz", "/readyz", "/v1/webhook")] == [200, 200, 200, 404]
        assert [code(running.port, path) for path in ("/metrics", "/healthz")] == [404, 200]


def test_a_taken_address_is_named(redis_server: RedisServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environ = {"AWB_REDIS_URL": redis_server.url, "AWB_METRICS_BIND": address, "AWB_BIND": "127.0.0.1:0"}
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "web", "--insecure"],
            cwd=ROOT,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "cannot listen on" in done.stderr
    assert address in done.stderr
    assert "AWB_METRICS_BIND" in done.stderr


def test_the_address_outlives_a_process_of_the_receiver(redis_server: RedisServer, short_dir: Path) -> None:
    main, port = free_port(), free_port()
    environ = {
        "AWB_REDIS_URL": redis_server.url,
        "AWB_BIND": f"127.0.0.1:{main}",
        "AWB_METRICS_BIND": f"127.0.0.1:{port}",
        "AWB_WEB_PROCESSES": "2",
        "AWB_DATA_DIR": str(short_dir),
    }
    command = [sys.executable, "-m", "app.cli", "run", "--insecure"]
    service = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: code(port, "/metrics") == 200)
        web = [pid for pid in processes(service.pid) if name_of(pid).startswith("awb web ")]
        assert len(web) == 2
        os.kill(web[0], signal.SIGKILL)
        assert [code(port, "/metrics") for _ in range(5)] == [200] * 5
        assert (code(main, "/metrics"), code(main, "/healthz")) == (404, 200)
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        assert "awb_up 1.0" in text
    finally:
        service.terminate()
        service.wait(PATIENCE)
