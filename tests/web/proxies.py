"""Real proxies on this machine in front of a receiver: nginx, HAProxy, Caddy, and a forwarder of bare TCP."""

import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from flask import Flask

from app.config.load import Config
from app.simulator.loopback import free_port
from app.web import server
from app.web.refusals import EXTENSION
from tests.conftest import PATIENCE, wait_until

Address = tuple[str, int]

NGINX: Final = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    {places}
  }}
}}
"""
PLACE: Final = """
location / {{
  proxy_pass http://127.0.0.1:{upstream};
  proxy_http_version 1.1;
  {more}
}}
"""
DEFAULTS: Final = """
defaults
  mode http
  timeout connect 10s
  timeout client 30s
  timeout server 30s
"""
OPTIONS: Final = """
{{
  admin off
  auto_https off
  default_bind 127.0.0.1
}}
"""
EVERYTHING: Final = """
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server meter 127.0.0.1:{upstream}
"""
#: As Azure's gateways write it.
FORWARDED_WITH_PORTS: Final = "proxy_set_header X-Forwarded-For $remote_addr:$remote_port;"
KEPT_HOST: Final = "proxy_set_header Host $http_host;"


@contextmanager
def serving(app: Flask, config: Config) -> Iterator[Address]:
    """Serve an application by the real server."""
    listener = server.listen("127.0.0.1", 0)
    running = server.server(app, config.settings, listener)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        running.task_dispatcher.shutdown()
        running.close()
        thread.join(PATIENCE)
        if EXTENSION in app.extensions:
            app.extensions[EXTENSION].stop()


@contextmanager
def nginx(upstream: Address, more: str = "", *, places: str = "", port: int = 0) -> Iterator[Address]:
    """Run nginx, speaking HTTP/1.1 to the receiver; in its default it rewrites the Host to the receiver's address.

    Args:
        upstream: the receiver.
        more: of the place that leads there.
        places: instead of that, as the documentation writes them.
        port: to listen on; 0 for any.
    """
    written = NGINX.replace("{places}", braced(places) or PLACE)
    with _folder() as folder, _process(folder, "nginx", written, upstream, more, port) as address:
        yield address


@contextmanager
def haproxy(upstream: Address, *, parts: str = "", port: int = 0) -> Iterator[Address]:
    """Run HAProxy in its defaults: HTTP/1.1, the client's Host, no added header.

    Args:
        upstream: the receiver.
        parts: instead of a frontend for everything, as the documentation writes them.
        port: to listen on; 0 for any.
    """
    written = DEFAULTS + (braced(parts) or EVERYTHING)
    with _folder() as folder, _process(folder, "haproxy", written, upstream, "", port) as address:
        yield address


@contextmanager
def caddy(upstream: Address, *, site: str, port: int) -> Iterator[Address]:
    """Run Caddy with a site as the documentation writes it, at its address without TLS.

    Args:
        upstream: the receiver.
        site: the block of the site.
        port: to listen on.
    """
    address = f"http://127.0.0.1:{port} {{"
    written = OPTIONS + braced(address + site.partition("{")[2])
    with _folder() as folder, _process(folder, "caddy", written, upstream, "", port) as where:
        yield where


def braced(text: str) -> str:
    """Return a text of the documentation as a template: its braces doubled, the receiver's address to be filled in."""
    return text.replace("{", "{{").replace("}", "}}").replace("127.0.0.1:8787", "127.0.0.1:{upstream}")


@contextmanager
def forwarder(upstream: Address) -> Iterator[Address]:
    """Forward connections byte by byte."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as other:
                back = threading.Thread(target=_copy, args=(other, self.request))
                back.start()
                _copy(self.request, other)
                back.join()

    class Forwarder(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Forwarder(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            host, port = listening.socket.getsockname()
            yield host, port
        finally:
            listening.shutdown()
            thread.join()


@contextmanager
def every_proxy(upstream: Address) -> Iterator[dict[str, Address]]:
    """Run one of each kind; none of them adds a header that reveals it."""
    with ExitStack() as stack:
        yield {
            "nginx, Host rewritten": stack.enter_context(nginx(upstream)),
            "nginx, Host kept": stack.enter_context(nginx(upstream, KEPT_HOST)),
            "HAProxy": stack.enter_context(haproxy(upstream)),
            "a TCP forwarder": stack.enter_context(forwarder(upstream)),
        }


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="awb-proxy-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _process(folder: Path, program: str, text: str, upstream: Address, more: str, port: int) -> Iterator[Address]:
    address = ("127.0.0.1", port or free_port())
    user = "user root;" if os.getuid() == 0 else ""
    written = text.format(folder=folder, port=address[1], upstream=upstream[1], more=more, user=user)
    (folder / "conf").write_text(written, encoding="utf-8")
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert found, f"{program} is not installed: .ci/run installs it"
    options = {
        "nginx": ["-p", str(folder), "-e", str(folder / "error.log"), "-c"],
        "haproxy": ["-db", "-f"],
        "caddy": ["run", "--adapter", "caddyfile", "--config"],
    }[program]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([found, *options, str(folder / "conf")], stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or _answers(address))
        assert process.poll() is None, (folder / "output").read_text(encoding="utf-8")
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
