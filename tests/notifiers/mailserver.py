"""A real SMTP server in a thread, whose answers a test can choose."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.conftest import PATIENCE

USER, PASSWORD = "meter", "s3cret:p@ss/w#rd"
HANG_UP = "hang up"
#: Delays the answer; for QUIT only.
SLOW = "slow"


@dataclass
class MailServer:
    """Settings of the test, and received mail.

    `answers` maps a command (MAIL, RCPT, DATA, AUTH, NOOP, QUIT) to replies, used once each; then everything is
    accepted.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    greeted_by: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(self, server: SMTP, _s: Session, envelope: Envelope, address: str, _o: list[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        return self._say(server, "MAIL", "250 OK")

    async def handle_RCPT(self, server: SMTP, _s: Session, envelope: Envelope, address: str, _o: list[str]) -> str:  # noqa: N802
        answer = self._say(server, "RCPT", "250 OK")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self._say(server, "DATA", "250 OK")
        if answer.startswith("2"):
            self.mails.append(envelope)
            self.greeted_by.append(str(session.host_name))
            self.signed_in.append(bool(session.authenticated))
            self.over_tls.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return answer

    async def handle_NOOP(self, server: SMTP, _s: Session, _e: Envelope, _a: str) -> str:  # noqa: N802
        return self._say(server, "NOOP", "250 OK")

    async def handle_QUIT(self, server: SMTP, _s: Session, _e: Envelope) -> str:  # noqa: N802
        answer = self._say(server, "QUIT", "221 Bye")
        if answer == SLOW:
            await asyncio.sleep(5)
        return answer

    def authenticate(self, server: SMTP, _s: Session, _e: Envelope, _m: str, data: LoginPassword) -> AuthResult:
        answer = self._say(server, "AUTH", "")
        if answer:
            return AuthResult(success=False, handled=False, message=answer)
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)

    def _say(self, server: SMTP, command: str, otherwise: str) -> str:
        self.commands.append(command)
        answers = self.answers.get(command)
        answer = answers.pop(0) if answers else otherwise
        if answer == HANG_UP:
            server.transport.close()
        return answer


@contextmanager
def running(
    server: MailServer,
    *,
    starttls: ssl.SSLContext | None = None,
    implicit: ssl.SSLContext | None = None,
    kind: type[SMTP] = SMTP,
    **options: Any,
) -> Iterator[MailServer]:
    def protocol() -> SMTP:
        return kind(
            server,
            hostname="mail.test",
            tls_context=starttls,
            authenticator=server.authenticate,
            loop=loop,
            **{"auth_require_tls": implicit is None and starttls is not None, **options},
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        create = loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
        listening = asyncio.run_coroutine_threadsafe(create, loop).result(PATIENCE)
        server.port = listening.sockets[0].getsockname()[1]
        yield server
        asyncio.run_coroutine_threadsafe(_stop(listening), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(listening: asyncio.Server) -> None:
    listening.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
