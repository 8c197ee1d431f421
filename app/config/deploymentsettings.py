"""Tables [deployment_settings.<name>]: their secrets from files, and the resulting settings of each deployment."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.config.environment import secret_in
from app.config.perdeployment import OWN, PerDeployment
from app.config.settings import SECRET_FIELDS, Settings
from app.config.together import GROUPS, incomplete
from app.config.words import tables
from app.core.access.logins import parse_logins

_KEY: Final = "deployment_settings"
_SECRETS: Final = tuple(key for key in SECRET_FIELDS if key in PerDeployment.model_fields)


def read_files(values: dict[str, Any], problems: list[str]) -> None:
    """Replace each `<secret>_file` in a table by the secret in the file."""
    try:
        found = tables(values.get(_KEY) or {})
    except ValueError:
        return  # the validation reports it
    if not isinstance(found, Mapping) or not all(isinstance(table, Mapping) for table in found.values()):
        return
    values[_KEY] = {name: _with_secrets(f"[{_KEY}.{name}]", dict(table), problems) for name, table in found.items()}


def _with_secrets(where: str, table: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    for key in _SECRETS:
        file = table.pop(f"{key}_file", None)
        if file is None:
            continue
        if key in table:
            problems.append(f"{where} {key}_file: {key} is set as well; keep one of the two")
            continue
        secret = secret_in(str(file), f"{where} {key}_file", problems)
        if secret:
            table[key] = secret
    return table


def settings_of(settings: Settings, deployment: str) -> Settings:
    """Return the settings of a deployment other than the default one."""
    fields = PerDeployment.model_fields
    unset = {key: fields[key].get_default(call_default_factory=True) for key in OWN}
    table = settings.deployment_settings.get(deployment)
    given = {key: getattr(table, key) for key in table.model_fields_set} if table else {}
    if "webhook_secret" in given:
        # Otherwise the former shared secret would be accepted for this deployment.
        given.setdefault("webhook_secret_previous", None)
    # An empty value, such as email_to = [], turns off the whole receiver.
    for group in GROUPS:
        if any(key in given and not given[key] for key in group):
            given |= {key: fields[key].get_default(call_default_factory=True) for key in group if key not in given}
    return settings.model_copy(update={**unset, **given, "deployment": deployment})


def wrong_together(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the tables in combination with the other settings and with each other."""
    names = [login.name for login in _logins(settings)]
    tokens = [token.digest for token in settings.api_tokens]
    for deployment, table in settings.deployment_settings.items():
        where = f"[{_KEY}.{deployment}]"
        if deployment == settings.deployment:
            yield f"{where}: this is the default deployment, whose settings are those outside of the tables"
            continue
        yield from (f"{where}: {problem}" for problem in incomplete(settings_of(settings, deployment).__dict__))
        own = [login.name for login in _logins(table)]
        yield from (
            f"{where} logins: “{name}” is a login elsewhere, too; give it another name" for name in own if name in names
        )
        if any(token.digest in tokens for token in table.api_tokens):
            yield f"{where} api_tokens: one of these tokens is configured elsewhere, too; keep one of the two"
        names += own
        tokens += [token.digest for token in table.api_tokens]


def _logins(settings: PerDeployment) -> tuple[Any, ...]:
    return tuple(parse_logins(settings.logins.get_secret_value())) if settings.logins else ()


def masked_tables(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings in the tables for display, with secrets as `<secret>`."""
    shown = {}
    for name, table in settings.deployment_settings.items():
        values = table.model_dump(mode="json", exclude_unset=True)
        shown[name] = {key: "<secret>" if key in SECRET_FIELDS and value else value for key, value in values.items()}
    return shown
