"""Configuration: a TOML file, overridden by `AWB_…` variables. It is strict, and reports every error at once.

The variable of each key is AWB_ and the key in capitals. Every secret may also come from a file named by
`AWB_<KEY>_FILE`. Unknown keys are errors, in the file and in the environment.
"""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.config.certificates import unusable_certificates
from app.config.deploymentsettings import masked_tables, read_files, settings_of, wrong_together
from app.config.environment import notices, secret_files, unknown_variables, value_of, variables, why_unreadable
from app.config.places import find, packaged
from app.config.sentences import sentence
from app.config.settings import DEFAULT_DATA_DIR, SECRET_FIELDS, Settings
from app.config.together import incomplete
from app.core.alert.quiet import QuietSpan
from app.core.count.conditions import Facts
from app.core.count.rules import Rule, RulesError, load_rules
from app.core.limit.limits import Limit
from app.core.limit.period import PeriodRule
from app.core.limit.threshold import Threshold
from app.core.relay.rule import RelayRule, RelayRulesError, load_relay_rules
from app.core.text.redisprefix import check_prefix

#: sysexits.h: configuration error.
EXIT_CONFIG: Final = 78
#: Set by systemd for a unit with StateDirectory=; several are separated by colons.
_STATE_DIRECTORY: Final = "STATE_DIRECTORY"
_MOST_OTHERS: Final = 1000


class ConfigError(Exception):
    """All errors of the configuration.

    Attributes:
        problems: one sentence each, with the file or variable, the key and the remedy, but never the value of a secret.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Config:
    """Validated settings, and what was compiled from them.

    Attributes:
        source: the file that was read; None if there is none.
        rules_source: the file of the rules.
        notices: remarks that are not errors.
        relay_rules: how notifications reach people.
        main: the configuration of the default deployment and the process, if this is that of another deployment.
    """

    settings: Settings
    rules: tuple[Rule, ...]
    source: Path | None
    rules_source: Path
    notices: tuple[str, ...] = ()
    relay_rules: tuple[RelayRule, ...] = ()
    main: "Config | None" = field(default=None, repr=False)

    @cached_property
    def limit(self) -> Limit:
        count = self.settings.limit
        return Limit(None if count == -1 else count, self.settings.soft_limit)

    @cached_property
    def thresholds(self) -> tuple[Threshold, ...]:
        return tuple(self.settings.thresholds)

    @cached_property
    def period_rule(self) -> PeriodRule:
        return self.settings.period

    @cached_property
    def others(self) -> "dict[str, Config]":
        """The cached results of `of`, which stay few although anybody may ask for any name."""
        return {}

    def of(self, deployment: str) -> "Config":
        """Return the configuration of one deployment: the settings of its table, and the shared ones."""
        main = self.main or self
        if deployment == main.settings.deployment:
            return main
        found = main.others.get(deployment)
        if found is None:
            if len(main.others) > _MOST_OTHERS:
                main.others.clear()
            found = replace(main, settings=settings_of(main.settings, deployment), main=main)
            main.others[deployment] = found
        return found

    @property
    def default_deployment(self) -> str:
        """The deployment that posts to /v1/webhook, also in the configuration of another one."""
        return (self.main or self).settings.deployment

    def verifying(self, deployment: str) -> bool:
        """Return whether Coder's API is configured for the deployment of this configuration."""
        settings = self.settings
        return bool(settings.coder_url and settings.coder_token) and deployment == settings.deployment

    def repeat_every(self, level: str) -> timedelta | None:
        """Return after which time an unresolved level is repeated; None for never."""
        days = self.settings.repeat_days_by_level.get(level, self.settings.repeat_days)
        return timedelta(days=days) if days else None

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    @cached_property
    def quiet_spans(self) -> tuple[QuietSpan, ...]:
        return tuple(self.settings.quiet_hours)

    @cached_property
    def ai_templates(self) -> frozenset[str]:
        return frozenset(name.casefold() for name in self.settings.ai_templates)

    @cached_property
    def facts(self) -> Facts:
        return Facts({"ai_templates": self.ai_templates})

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        return {rule.name: rule.verdict.reason for rule in self.rules}

    def reason_of(self, rule: str) -> str:
        """Return a rule's reason, also for a record whose rule no longer exists."""
        return self.reasons.get(rule, f"It was counted by the rule “{rule}”, which is no longer configured.")


#: Reads the configuration again: returns it, or None if it is invalid, and everything that is wrong with it.
Read = Callable[[], tuple[Config | None, list[str]]]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file and the environment, validate everything, and compile the rules.

    Args:
        path: the file to read; by default `AWB_CONFIG`, or else config/awb-meter.toml of a checkout,
            /etc/awb-meter/awb-meter.toml if this user can read it, or the packaged file.
        environ: the environment, `os.environ` by default.

    Raises:
        ConfigError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    source = find(path, environ, problems)
    values = _read_toml(source, problems) if source else {}
    folders = value_of(environ, _STATE_DIRECTORY)
    if folders and values.get("data_dir", DEFAULT_DATA_DIR) == DEFAULT_DATA_DIR:
        values["data_dir"] = folders.partition(":")[0]
    values |= variables(environ)
    values |= secret_files(environ, problems)
    problems += unknown_variables(environ)
    read_files(values, problems)
    settings = _validate(values, source, environ, problems)
    problems += unusable_certificates(values)
    rules_source = Path(str(values.get("rules") or packaged("rules.toml")))
    rules: tuple[Rule, ...] = ()
    relay_rules: tuple[RelayRule, ...] = ()
    try:
        text = rules_source.read_text(encoding="utf-8-sig")
        rules = load_rules(text, str(rules_source))
        relay_rules = load_relay_rules(text, str(rules_source))
    except (RulesError, RelayRulesError) as error:
        problems += error.problems
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{rules_source}: the rules cannot be read: {why_unreadable(error)}; check AWB_RULES")
    if settings is not None:
        problems += wrong_together(settings)
    if problems or settings is None:
        raise ConfigError(problems)
    return Config(settings, rules, source, rules_source, notices(environ), relay_rules)


def redis_prefix(path: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Read the prefix of Redis keys alone, which must be known before anything else; empty if it is invalid.

    Args:
        path: as for `load`, which reports everything that is wrong.
        environ: the same.
    """
    environ = os.environ if environ is None else environ
    source = find(path, environ, [])
    values = {**(_read_toml(source, []) if source else {}), **variables(environ)}
    try:
        return check_prefix(str(values.get("redis_prefix", "")))
    except ValueError:
        return ""


def masked(settings: Settings) -> dict[str, Any]:
    """Return every setting as text for display, with secrets as `<secret>`."""
    shown = settings.model_dump(mode="json")
    shown["deployment_settings"] = masked_tables(settings)
    for forward in shown["forward"]:
        forward["url"] = "<secret>"
    return {key: "<secret>" if key in SECRET_FIELDS and value is not None else value for key, value in shown.items()}


def _read_toml(source: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{source}: not valid TOML: {error}")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{source}: cannot be read: {why_unreadable(error)}")
    return {}


def _validate(
    values: Mapping[str, Any], source: Path | None, environ: Mapping[str, str], problems: list[str]
) -> Settings | None:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        problems += [sentence(item, source, environ) for item in found]
        # Pydantic checks combinations of settings only if each one is valid, but all errors must be reported at once.
        missing = incomplete(values) if all(item["loc"] for item in found) else []
        problems += [f"configuration: {problem}" for problem in missing]
    return None
