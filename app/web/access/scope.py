"""The deployment that a request is about, and whether the client may see it.

Logins and tokens outside of the deployments' tables may see every deployment. Those in a table may see only that
deployment, and nothing that concerns all of them.
"""

from typing import Final

from flask import g, request

from app.core.access.people import Person

#: Pages and operations that concern all deployments: the queues hold jobs of all of them.
_OF_ALL: Final = ("/queues", "/api/v1/queues", "/metrics")


def only() -> str:
    """Return the only deployment that the client may see; empty for all."""
    person: Person | None = g.get("person")
    return person.only if person else ""


def asked(default: str) -> str:
    """Return the deployment that a request is about: the one it names, else the client's own, else the default one."""
    return request.args.get("deployment") or only() or default


def of_all(path: str) -> bool:
    """Return whether a path concerns all deployments."""
    return any((path + "/").startswith(one + "/") for one in _OF_ALL)


def objection() -> str | None:
    """Return why the client may not see what it requests; None if it may."""
    own = only()
    if not own:
        return None
    if of_all(request.path):
        return f"This concerns all deployments, and you may only see {own}."
    # The answer must not reveal whether another deployment exists.
    if request.args.getlist("deployment") not in ([], [own]):
        return f"You may only see the deployment {own}."
    return None
