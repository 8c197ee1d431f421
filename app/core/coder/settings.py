"""Users, notifications and deployment settings as Coder's REST API returns them."""

from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from app.core.coder.shapes import CoderModel


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
    """GET /api/v2/notifications/dispatch-methods: one object, although the documentation shows a list."""

    available: list[str] = Field(default_factory=list)
    default: str = ""

    @model_validator(mode="before")
    @classmethod
    def _only_one(cls, data: Any) -> Any:
        return data[0] if isinstance(data, list) and len(data) == 1 else data


class EndpointUrl(CoderModel):
    """The address of a webhook, without query and fragment.

    Coder returns it as one string including userinfo (github.com/coder/serpent, URL); its documentation shows an
    object, which has no userinfo.

    Attributes:
        password: the password in the userinfo, for comparison only and never shown or logged. None if Coder does not
            report it.
    """

    scheme: str = ""
    host: str = ""
    path: str = ""
    has_user_info: bool = False
    password: SecretStr | None = Field(default=None, exclude=True, repr=False)

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
        # As Go's client sends it in Basic auth: unquoted, and empty if there is only a user name.
        password = unquote(user_info.partition(":")[2]) if user_info else None
        found = {"scheme": parts.scheme, "host": host, "path": parts.path, "has_user_info": bool(user_info)}
        return {**found, "password": password}

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
    """GET /api/v2/deployment/config, for owners and auditors."""

    config: DeploymentValues = DeploymentValues()


class User(CoderModel):
    """GET /api/v2/users/me."""

    id: str
    username: str = ""
    roles: list[dict[str, Any]] = Field(default_factory=list)
    organization_ids: list[str] = Field(default_factory=list)

    @property
    def role_names(self) -> frozenset[str]:
        """Return the site roles, such as `template-admin`, without the role that every member has."""
        return frozenset(str(role.get("name", "")) for role in self.roles) - {"", "member"}


class UserList(CoderModel):
    """GET /api/v2/users."""

    users: list[User] = Field(default_factory=list)


class Group(CoderModel):
    """One of GET /api/v2/groups (Premium; codersdk/groups.go), with the members that the token may see."""

    name: str = ""
    organization_name: str = ""
    members: list[User] = Field(default_factory=list)
