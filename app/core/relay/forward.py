"""Webhooks that get every notification as Coder sent it: the `[[forward]]` tables."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

from app.core.text.weburl import is_web_url, split_url

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def _globs(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be lower-case letters, digits and dashes, at most 40, such as “teams”")
    return value


def _url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not is_web_url(url) or split_url(url).fragment:
        raise ValueError("must be the whole URL of a webhook, such as https://hooks.example.com/coder")
    return value


def _no_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(glob.strip() for glob in value):
        raise ValueError("holds an empty text; name templates such as “Task *”, or leave it out for all of them")
    return value


TemplateGlobs = Annotated[tuple[str, ...], BeforeValidator(_globs), AfterValidator(_no_empty)]


class Forward(BaseModel):
    """One `[[forward]]` table.

    Attributes:
        name: a short name, for display.
        url: the destination. It is a secret, because many services put their key into it. A user and password in it are
            sent as Basic authentication, as Coder does.
        templates: globs of names or ids of Coder's notification templates; if empty, all are forwarded.
        secret_file: file with a Standard Webhooks secret (`whsec_…`), with which each request is signed.
        bearer_file: file with a token for `Authorization: Bearer`.
        header_file: file with one line, `Name: value`, that is added to each request.
        allow_private: whether the URL may lead to this machine or a private network.
        passcodes: whether to forward one-time passcodes, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_name)]
    url: Annotated[SecretStr, AfterValidator(_url)]
    templates: TemplateGlobs = ()
    secret_file: Path | None = None
    bearer_file: Path | None = None
    header_file: Path | None = None
    allow_private: bool = False
    passcodes: bool = False

    def matches(self, template_id: str, name: str, *, passcode: bool) -> bool:
        """Return whether notifications of this template are forwarded to it."""
        return (self.passcodes or not passcode) and matches_template(self.templates, template_id, name)


def matches_template(globs: Sequence[str], template_id: str, name: str) -> bool:
    """Return whether a template matches one of the globs by name or id; without globs, all match."""
    return not globs or any(
        fnmatchcase(value.casefold(), glob.casefold()) for glob in globs for value in (template_id, name) if value
    )
