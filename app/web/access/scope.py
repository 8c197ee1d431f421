"""Which deployment a request is about, and whether whoever asks may see it.

Logins and tokens outside of the tables of deployments see every deployment; those in a table see that one alone, and
nothing that is about all of them.
"""

from typing import Final

from flask import g, request

from app.core.access.people import Person

#: Pages and operations about all deployments: the queues hold everybody's jobs.
_OF_ALL: Final = ("/queues", "/api/v1/queues", "/metrics")


def only() -> str:
    """Return the one deployment that whoever asks may see; empty for all."""
    person: Person | None = g.get("person")
    return person.only if person else ""


def asked(default: str) -> str:
    """Return the deployment that a request is about: the one it names, else their own, else the default one."""
    return request.args.get("deployment") or only() or default


def of_all(path: str) -> bool:
    """Return whether a path is about all deployments."""
    return any((path + "/").startswith(one + "/") for one in _OF_ALL)


def objection() -> str | None:
    """Say why whoever asks may not see what they ask for; None where they may."""
    own = only()
    if not own:
        return None
    if of_all(request.path):
        return f"This is about all deployments, and you may see {own} only."
    # Whether there is another deployment of this name is not said.
    if request.args.getlist("deployment") not in ([], [own]):
        return f"You may see the deployment {own} only."
    return None
