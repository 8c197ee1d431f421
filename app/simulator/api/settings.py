"""Notification templates, their methods and users' preferences."""

from typing import Any, Final
from uuid import UUID

from app.simulator.api import views
from app.simulator.api.query import BadRequestError
from app.simulator.deployment import Deployment
from app.simulator.model import User

_METHODS: Final = ("smtp", "webhook")


def templates(world: Deployment) -> list[dict[str, Any]]:
    """Return the notification templates of the world's version."""
    return [views.notification_template(world, template) for template in world.known_templates]


def known(world: Deployment, template_id: str) -> bool:
    return any(template.id == template_id for template in world.known_templates)


def dispatch_methods(world: Deployment) -> dict[str, Any]:
    return {"available": list(_METHODS), "default": world.default_method}


def deployment_config(world: Deployment) -> dict[str, Any]:
    """Return the webhook settings; the endpoint is one string, including any userinfo."""
    webhook = {"endpoint": world.webhook_endpoint}
    return {"config": {"notifications": {"method": world.default_method, "webhook": webhook}}}


def preferences(world: Deployment, user: User) -> list[dict[str, Any]]:
    """Return the templates that a user switched on or off; untouched ones are not listed."""
    return [
        {"id": template_id, "disabled": disabled, "updated_at": views.moment(world.now)}
        for template_id, disabled in world.preferences[user.id].items()
    ]


def change_preferences(world: Deployment, user: User, body: Any) -> list[dict[str, Any]]:
    """Switch templates off (true) or on (false), and return all that the user has switched."""
    changes = body.get("template_disabled_map") if isinstance(body, dict) else None
    if not isinstance(changes, dict):
        raise BadRequestError("Request body must be valid JSON.", ("template_disabled_map", "is missing"))
    for template_id, disabled in changes.items():
        if not isinstance(disabled, bool) or not _is_uuid(template_id):
            raise BadRequestError("Invalid preferences.", ("template_disabled_map", f"{template_id!r} is wrong"))
        if not known(world, template_id):
            raise BadRequestError("Invalid preferences.", ("template_disabled_map", f"{template_id!r} is unknown"))
    world.preferences[user.id].update(changes)
    return preferences(world, user)


def change_method(world: Deployment, template_id: str, body: Any) -> bool:
    """Set the method of a template, and return whether it differs from before."""
    method = body.get("method") if isinstance(body, dict) else None
    if method not in _METHODS:
        raise BadRequestError("Invalid request to update notification template method.", ("method", "is invalid"))
    changes = world.methods.get(template_id, "") != str(method)
    world.methods[template_id] = method
    return changes


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
