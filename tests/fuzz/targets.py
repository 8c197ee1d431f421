"""Fuzz targets: functions that accept any bytes and raise an error only if the program misbehaves."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waitress.adjustments import Adjustments

from app.config.load import ConfigError, load
from app.core.count.conditions import Facts
from app.core.count.delivery import InvalidDeliveryError, read_delivery, to_event
from app.core.count.estimate import fold, provisional_records
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB
from app.core.count.rules import Outcome, RulesError, classify, load_rules
from app.core.relay.rule import RelayRulesError, load_relay_rules
from app.core.text.lines import one_line
from app.store.server.connection import connect
from app.web.factory import create_app
from app.web.wire.bodies import Bodies, Grant
from app.web.wire.parser import Parser
from tests.conftest import RedisServer, make_config, short_directory
from tests.core.make import default_rules
from tests.web import test_slackactions as slack
from tests.web.make import basic, notification
from tests.web.test_wire import TABLE

#: Takes any bytes; an exception is a finding.
Target = Callable[[bytes], object]
_TESTS = Path(__file__).parents[1]
_CONFIG = _TESTS.parent / "config"
_FINE = range(100, 500)


class FindingError(AssertionError):
    """The program did something that it must never do."""


@dataclass(frozen=True)
class Fuzzed:
    """A target, and examples for the fuzzer to start from.

    Attributes:
        open: prepares the target for the duration of a block.
    """

    name: str
    open: Callable[[], Any]
    examples: Callable[[], list[bytes]]


def payloads() -> list[bytes]:
    found = [file.read_bytes() for folder in ("core/payloads", "real/samples/payloads") for file in _files(folder)]
    return [*found, notification(), b"{}", b"[]", b"null", b'{"msg_id":"a","payload":{}}']


def _files(folder: str) -> list[Path]:
    return sorted((_TESTS / folder).rglob("*.json"))


@contextmanager
def reading() -> Iterator[Target]:
    """A body becomes a delivery, a verdict and records, or is refused with a one-line reason."""
    rules, templates = default_rules(), frozenset({"ai-template"})

    def target(data: bytes) -> None:
        try:
            delivery = read_delivery(data, "a-header-id")
        except InvalidDeliveryError as error:
            if one_line(error.reason) != error.reason:
                raise FindingError(f"a reason of more than a line: {error.reason!r}") from None
            return
        event = to_event("prod", delivery.message_id, 1.0, delivery.payload)
        verdict = classify(event, rules, Facts({"ai_templates": templates}))
        json.dumps(delivery.payload).encode()
        if verdict.outcome is Outcome.EVIDENCE and event.workspace_id:
            evidence = Evidence().with_event(event, verdict)
            again = Evidence.from_json(json.dumps(evidence.as_json()))
            if again != evidence or evidence.with_event(event, verdict) != evidence:
                raise FindingError("evidence is not what was stored, or counts one event twice")
            fold(evidence, provisional_records(evidence, AWB, event.workspace_id, templates, str))

    yield target


@contextmanager
def ruling() -> Iterator[Target]:
    """A rules file compiles, or every mistake is reported in a line that names the file."""

    def target(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        try:
            load_rules(text, "rules.toml")
            load_relay_rules(text, "rules.toml")
        except (RulesError, RelayRulesError) as error:
            if not error.problems or not all("rules.toml" in problem for problem in error.problems):
                raise FindingError(f"problems without the file: {error.problems}") from None

    yield target


@contextmanager
def configuring() -> Iterator[Target]:
    """A configuration file loads, or is refused with its problems."""
    directory = short_directory()
    file = directory / "awb-meter.toml"

    def target(data: bytes) -> None:
        file.write_bytes(data)
        try:
            load(file, {"AWB_WEBHOOK_SECRET": "a-secret-of-the-tests"})
        except ConfigError as error:
            if not str(error) or "a-secret-of-the-tests" in str(error):
                raise FindingError(f"a poor error: {error}") from None

    yield target


@contextmanager
def parsing() -> Iterator[Target]:
    """Bytes of a connection become a request, a client error, or 503 if there is no room."""

    def rule(_method: str, _path: str, headers: Any) -> Grant:
        return Grant(4096, known="AUTHORIZATION" in headers)

    def target(data: bytes) -> None:
        bodies = Bodies(rule)
        parser = Parser(Adjustments(), bodies)
        # As the network may deliver it: split into pieces of any size.
        for piece in (data[:1], data[1:7], data[7:]):
            if piece and not parser.completed:
                parser.received(piece)
        if parser.error and parser.error.code not in (*_FINE, 503):
            raise FindingError(f"{parser.error.code} {parser.error.body}")
        parser.close()
        if bodies.held:
            raise FindingError(f"{bodies.held} bytes are still held")

    yield target


@contextmanager
def receiving() -> Iterator[Target]:
    """The whole receiver: any body with the secret; without it, nothing is stored."""
    with ExitStack() as stack:
        server = RedisServer(short_directory())
        server.start()
        stack.callback(server.stop)
        connection = connect(server.url)
        config = make_config(server.url)
        client = create_app(config, connection).test_client()

        def target(data: bytes) -> None:
            name = data[:8].hex() or "0"
            # A stranger chooses part of the path; the remaining bytes are the body.
            path, body = f"/v1/webhook/{name}" if data[:1] == b"/" else "/v1/webhook", data
            known = client.post(path, headers=basic(), data=body).status_code
            if known not in _FINE:
                raise FindingError(f"{known} for a delivery")
            connection.flushall()
            unknown = client.post(path, headers={"Authorization": data.hex()}, data=body).status_code
            if unknown != 401 or connection.dbsize():
                raise FindingError(f"{unknown} without the secret; stored: {connection.keys()}")

        yield target


@contextmanager
def pressing() -> Iterator[Target]:
    """Slack's buttons: any signed body; unsigned ones are refused and leave nothing in Redis."""
    with ExitStack() as stack:
        server = RedisServer(short_directory())
        server.start()
        stack.callback(server.stop)
        connection = connect(server.url)
        more = {
            "slack_bot_token": "xoxb-0-not-a-token",
            "slack_channel": slack.CHANNEL,
            "slack_signing_secret": slack.SIGNING,
            "slack_admins": "U1ADMIN",
            "slack_api_url": "http://127.0.0.1:9",
        }
        client = slack.client_of(make_config(server.url, **more), connection)

        def target(data: bytes) -> None:
            signed = slack.post(client, data).status_code
            if signed not in _FINE:
                raise FindingError(f"{signed} for a signed press")
            connection.flushall()
            unsigned = slack.post(client, data, signed="v0=" + data[:32].hex()).status_code
            if unsigned != 401 or connection.dbsize():
                raise FindingError(f"{unsigned} without a signature; stored: {connection.keys()}")

        yield target


def configurations() -> list[bytes]:
    whole = (_CONFIG / "awb-meter.toml").read_bytes()
    return [whole, b"limit = 10\n", b'thresholds = ["90%"]\n[burst]\nbuilds = 3\n', b'period = "yearly:02-29"\n']


def presses() -> list[bytes]:
    return [slack.form(slack.press(action)) for action in ("acknowledge", "snooze-1d", "open")]


FUZZED = (
    Fuzzed("parser", reading, payloads),
    Fuzzed("rules", ruling, lambda: [(_CONFIG / "rules.toml").read_bytes()]),
    Fuzzed("config", configuring, configurations),
    Fuzzed("http", parsing, lambda: [sent for sent, _ in TABLE.values() if len(sent) < 20_000]),
    Fuzzed("receiver", receiving, payloads),
    Fuzzed("slack", pressing, presses),
)
