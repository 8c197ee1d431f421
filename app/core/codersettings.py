"""What Coder's REST API says of users, notifications and the deployment's settings."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from app.core.coder import CoderModel


class NotificationTemplate(CoderModel):
    id: str
    name: str = ""
    group: str = ""
    method: str = ""
    kind: str = ""
    enabled_by_default: bool = True


class NotificationPreference(CoderModel):
    """A user's choice for one template, by the template's id."""

    id: str
    disabled: bool = False


class NotificationSettings(CoderModel):
    notifier_paused: bool = False


class DispatchMethods(CoderModel):
    """GET /api/v2/notifications/dispatch-methods: one object, which the documentation shows in a list."""

    available: list[str] = Field(default_factory=list)
    default: str = ""

    @model_validator(mode="before")
    @classmethod
    def _only_one(cls, data: Any) -> Any:
        return data[0] if isinstance(data, list) and len(data) == 1 else data


class EndpointUrl(CoderModel):
    """The address of a webhook without what it may hold of secrets: user info, query and fragment are never kept.

    Coder writes it as one text, user info included (github.com/coder/serpent, URL), and its documentation as an object.
    """

    scheme: str = ""
    host: str = ""
    path: str = ""
    has_user_info: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {**data, "has_user_info": data.get("user") is not None}
        if not isinstance(data, str):
            return {}
        try:
            parts = urlsplit(data)
        except ValueError:
            return {}
        user_info, _, host = parts.netloc.rpartition("@")
        return {"scheme": parts.scheme, "host": host, "path": parts.path, "has_user_info": bool(user_info)}

    @property
    def shown(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}" if self.host else ""


class WebhookSettings(CoderModel):
    endpoint: EndpointUrl = EndpointUrl()


class NotificationsConfig(CoderModel):
    method: str = ""
    webhook: WebhookSettings = WebhookSettings()


class DeploymentValues(CoderModel):
    notifications: NotificationsConfig = NotificationsConfig()


class DeploymentConfig(CoderModel):
    """GET /api/v2/deployment/config, for owners."""

    config: DeploymentValues = DeploymentValues()


class User(CoderModel):
    """GET /api/v2/users/me."""

    id: str
    username: str = ""
    roles: list[dict[str, Any]] = Field(default_factory=list)


class Group(CoderModel):
    """One of GET /api/v2/groups (Premium; codersdk/groups.go). Members as the token may see them."""

    name: str = ""
    organization_name: str = ""
    members: list[User] = Field(default_factory=list)
