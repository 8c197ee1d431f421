"""Whether the webhook endpoint configured in Coder is this meter's: address, path and secret."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from app.core.coder.settings import EndpointUrl
from app.core.finding import Finding, Result
from app.core.text.weburl import origin

PATH: Final = "/v1/webhook"
_PRINTED: Final = "`awb webhook-url` prints it"


@dataclass(frozen=True, slots=True)
class Expected:
    """The endpoint that this meter expects.

    Attributes:
        public_url: as configured; empty if this meter does not know the URL at which Coder reaches it.
        deployment: the deployment that is counted.
        secret: the current secret; empty if it is not known here.
        former_secret: the previous secret, still accepted until Coder uses the current one; empty for none.
        named: its path must name the deployment; the path of the default deployment need not.
    """

    public_url: str
    deployment: str
    secret: str = ""
    former_secret: str = ""
    named: bool = False


def compare(endpoint: EndpointUrl, expected: Expected) -> Iterator[Finding]:
    """Compare the two, without revealing the secret or how much of it matches."""
    if not endpoint.host:
        hint = f"set CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT; {_PRINTED}"
        yield Finding("coder.endpoint", Result.ERROR, "Coder has no webhook endpoint", hint)
        return
    yield _address(endpoint, expected)
    yield _secret(endpoint, expected)


def _address(endpoint: EndpointUrl, expected: Expected) -> Finding:
    text = f"Coder sends to {endpoint.shown}"
    ours = urlsplit(expected.public_url)
    here = not expected.public_url or origin(expected.public_url) == origin(endpoint.shown)
    deployment = _deployment(endpoint.path, ours.path if here else "", anywhere=not (here and expected.public_url))
    if deployment is None:
        hint = f"the path must end in {PATH}; {_PRINTED}"
        return Finding("coder.endpoint", Result.ERROR, f"{text}, a path that takes no notifications", hint)
    if not here:
        # Compared but never called: this program must not open an address that another system supplies.
        hint = "correct AWB_PUBLIC_URL or CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT; Coder loses what is redirected"
        wrong = f"{text}, while AWB_PUBLIC_URL is {expected.public_url}"
        return Finding("coder.endpoint", Result.WARNING, wrong, hint)
    if deployment != expected.deployment and (deployment or expected.named):
        hint = f"end the path in {PATH}, or set AWB_DEPLOYMENT to {deployment}"
        if expected.named:
            hint = f"end the path in {PATH}/{expected.deployment}"
        other = f"the deployment {deployment}" if deployment else "the default deployment"
        wrong = f"{text}: that counts for {other}, not for {expected.deployment}"
        return Finding("coder.endpoint", Result.ERROR, wrong, hint)
    return Finding("coder.endpoint", Result.OK, text)


def _deployment(path: str, prefix: str, *, anywhere: bool) -> str | None:
    """Return the deployment in a path, "" for the default one; None if the path accepts no notifications.

    Args:
        path: the path of the endpoint.
        prefix: the prefix of our own paths.
        anywhere: whether any prefix is allowed.
    """
    before, found, name = path.rpartition(PATH)
    if not found or (not anywhere and before != prefix.rstrip("/")):
        return None
    if not name:
        return ""
    return name[1:] if name.startswith("/") and len(name) > 1 and "/" not in name[1:] else None


def _secret(endpoint: EndpointUrl, expected: Expected) -> Finding:
    if not endpoint.has_user_info:
        hint = f"put it in as https://coder:<secret>@host/…; {_PRINTED}"
        return Finding("coder.secret", Result.ERROR, "Coder's endpoint carries no secret", hint)
    if not expected.secret or endpoint.password is None:
        why = "Coder does not show it" if expected.secret else "none is known here"
        hint = "look for 401 in Coder's log" if expected.secret else "set AWB_WEBHOOK_SECRET here as for the receiver"
        return Finding("coder.secret", Result.WARNING, f"the secret is not compared: {why}", hint)
    offered = endpoint.password.get_secret_value().encode("utf-8", "surrogatepass")
    known = (expected.secret, expected.former_secret)
    # Both are compared, in constant time, so that timing does not reveal which one was closer.
    present, former = [hmac.compare_digest(offered, secret.encode()) and secret != "" for secret in known]
    if present:
        return Finding("coder.secret", Result.OK, "Coder's endpoint carries the right secret")
    if former:
        hint = f"give Coder the present one, then unset AWB_WEBHOOK_SECRET_PREVIOUS; {_PRINTED}"
        return Finding("coder.secret", Result.WARNING, "Coder's endpoint carries the former secret", hint)
    hint = f"correct CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT and restart coderd; {_PRINTED}"
    wrong = "Coder's endpoint carries another secret than ours: every notification is refused"
    return Finding("coder.secret", Result.ERROR, wrong, hint)
