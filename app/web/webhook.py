"""The receiver: POST /v1/webhook and /v1/webhook/<deployment>.

Coder does not sign requests or send custom headers; the only secret it can send is the userinfo of its endpoint URL,
which Go's client turns into Basic auth (coderd/notifications/dispatch/webhook.go). It retries every status from 300 on,
five times, five minutes apart; so anything that no retry can fix is answered with 2xx and quarantined.
"""

import hmac
import json
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import redis
import structlog
from flask import Blueprint, Response, request

from app.config.load import Config
from app.config.settings import Settings
from app.config.types import DEPLOYMENT_NAME
from app.core.access.origin import client_of, names_loopback
from app.core.alert.refusal import DOCTOR, Refusal
from app.core.count.delivery import NOT_JSON
from app.pipeline.count.intake import IntakeOutcome, take
from app.pipeline.relay.accepting import Relaying
from app.store.receive.inbox import Inbox, TooManyDeploymentsError, accepting_channel
from app.store.server.connection import unavailable
from app.store.server.replicas import Replicas
from app.web.access.csrf import sent_by_another_site
from app.web.refusals import Refusals

log = structlog.get_logger(__name__)
PATH: Final = "/v1/webhook"
_RETRY_AFTER_SECONDS = 30
_OTHER_METHODS = ("GET", "PUT", "PATCH", "DELETE")
_REDIRECT_HINT = (
    "Coder delivers by POST. If this is Coder calling, something in front of this service redirects: a client that "
    "follows 301, 302 or 303 turns POST into GET and the notification is lost. Give Coder the final URL."
)
_UNKNOWN_HINT = (
    "This deployment is not configured, and no further names are accepted: list it in AWB_DEPLOYMENTS, raise "
    "AWB_MAX_DEPLOYMENTS, or remove one that is no longer needed (awb deployments)."
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The valid secrets, as bytes: the current one, and during a rotation also the former one."""

    accepted: tuple[bytes, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Secrets":
        both = (settings.webhook_secret, settings.webhook_secret_previous)
        return cls(tuple(secret.get_secret_value().encode() for secret in both if secret))

    def admit(self, authorization: str) -> bool:
        """Check an Authorization header in constant time: Basic with any user name, or a bearer token."""
        scheme, _, value = authorization.partition(" ")
        offered = (
            _password(value)
            if scheme.lower() == "basic"
            # The original bytes: WSGI decodes them as Latin-1.
            else value.strip().encode("latin-1", "replace")
            if scheme.lower() == "bearer"
            else b""
        )
        # All secrets are compared, so that timing does not reveal which one was closer.
        return sum(hmac.compare_digest(offered, secret) for secret in self.accepted) > 0


class Keys:
    """The valid secrets by deployment; deployments without their own use the shared ones."""

    def __init__(self, config: Config) -> None:
        self._shared = Secrets.of(config.settings)
        tables = config.settings.deployment_settings
        self._own = {name: Secrets.of(config.of(name).settings) for name in tables}

    def __bool__(self) -> bool:
        return bool(self._shared.accepted)

    def of(self, deployment: str) -> Secrets:
        return self._own.get(deployment, self._shared)

    def admit(self, path: str, authorization: str) -> bool:
        """Check an Authorization header for a path of the receiver."""
        return self.of(path.removeprefix(PATH).strip("/")).admit(authorization)


def blueprint(config: Config, connection: "redis.Redis", secrets: Keys | None, refusals: Refusals) -> Blueprint:
    """Build the receiver's routes; without secrets every request is admitted."""
    routes = Blueprint("webhook", __name__)
    limit = config.settings.max_body_bytes
    configured, most = config.settings.configured_deployments, config.settings.max_deployments
    accepting = accepting_channel(connection, Replicas.of(config.settings))
    proxies = config.settings.proxy_addresses
    relaying = Relaying.of(config)

    def count(reason: Refusal) -> None:
        forwarded = request.headers.get("X-Forwarded-For", "")
        refusals.count(reason, client_of(request.remote_addr or "", forwarded, proxies))

    @lru_cache(maxsize=64)
    def inbox(deployment: str) -> Inbox:
        return Inbox(connection, deployment, accepting, -1 if deployment in configured else most)

    @routes.post("/v1/webhook", defaults={"deployment": config.settings.deployment})
    @routes.post("/v1/webhook/<path:deployment>")
    def deliver(deployment: str) -> Response:
        reason, answer = _refuse(secrets.of(deployment) if secrets else None, limit, deployment) or _take(
            inbox(deployment), relaying
        )
        if reason:
            count(reason)
        return answer

    @routes.route("/v1/webhook", methods=_OTHER_METHODS, defaults={"deployment": ""})
    @routes.route("/v1/webhook/<path:deployment>", methods=_OTHER_METHODS)
    def hint(deployment: str) -> Response:
        del deployment
        if request.headers.get("User-Agent") != DOCTOR:
            count(Refusal.WRONG_METHOD)
        answer = _answer(405, "error", reason="Method Not Allowed", detail=_REDIRECT_HINT)
        answer.headers["Allow"] = "POST"
        return answer

    return routes


def _refuse(secrets: Secrets | None, limit: int, deployment: str) -> tuple[Refusal, Response] | None:
    authorization = request.environ.get("HTTP_AUTHORIZATION", "")
    if secrets is not None and not secrets.admit(authorization):
        answer = _answer(401, "error", reason="Unauthorized")
        answer.headers["WWW-Authenticate"] = 'Basic realm="awb"'
        return Refusal.WRONG_SECRET if authorization else Refusal.NO_SECRET, answer
    if secrets is None and _sent_by_a_page():
        return Refusal.OTHER_SITE, _answer(
            403, "error", reason="sent by a page of another site, which may not post without the secret"
        )
    if not DEPLOYMENT_NAME.fullmatch(deployment):
        return Refusal.WRONG_PATH, _answer(
            404, "error", reason="deployment names are lower-case letters, digits and dashes"
        )
    if request.content_length is None:
        return Refusal.NO_LENGTH, _answer(411, "error", reason="Content-Length is required")
    if request.content_length > limit:
        return Refusal.TOO_LARGE, _answer(413, "error", reason=f"more than {limit} bytes (AWB_MAX_BODY_BYTES)")
    return None


def _sent_by_a_page() -> bool:
    """Return whether a browser sent this from a page other than ours; Coder sends no Origin."""
    rebound = "Origin" in request.headers and not names_loopback(request.environ.get("HTTP_HOST", ""))
    return rebound or sent_by_another_site("")


def _take(inbox: Inbox, relaying: Relaying | None) -> tuple[Refusal | None, Response]:
    deployment = inbox.deployment
    try:
        receipt = take(
            inbox, request.get_data(cache=False), request.headers.get("X-Message-Id"), relaying, request.headers.get
        )
    except (redis.exceptions.RedisError, OSError) as error:
        why = unavailable(error)
        log.error("delivery refused", deployment=deployment, why=why, error=type(error).__name__)
        answer = _answer(503, "unavailable", reason=f"Redis is {why}")
        answer.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        return Refusal.UNAVAILABLE, answer
    except TooManyDeploymentsError:
        log.warning("delivery refused", deployment=deployment, why="too many deployments")
        return Refusal.WRONG_PATH, _answer(404, "error", reason="unknown deployment", detail=_UNKNOWN_HINT)
    if receipt.outcome is IntakeOutcome.QUARANTINED:
        log.warning("delivery quarantined", deployment=deployment, message_id=receipt.message_id, why=receipt.reason)
        aside = _answer(202, "quarantined", message_id=receipt.message_id, reason=receipt.reason)
        return Refusal.NOT_JSON if receipt.reason.startswith(NOT_JSON) else None, aside
    taken = f"delivery {receipt.outcome.value}"
    log.debug(taken, deployment=deployment, message_id=receipt.message_id)
    code = 202 if receipt.outcome is IntakeOutcome.ACCEPTED else 200
    return None, _answer(code, receipt.outcome.value, message_id=receipt.message_id)


def _password(value: str) -> bytes:
    try:
        return b64decode(value, validate=True).partition(b":")[2]
    except (Base64Error, ValueError):
        return b""


def _answer(code: int, status: str, **more: str) -> Response:
    return Response(json.dumps({"status": status, **more}) + "\n", code, content_type="application/json")
