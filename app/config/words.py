"""Lists and tables in variables: quotes, separators, JSON."""

import json
import re
from typing import Any

from pydantic import SecretStr

from app.core.text.entries import check_words, entries


def comma_list(value: Any) -> Any:
    return entries(value) if isinstance(value, str) else value


def words(value: Any, *, secret: bool = False) -> Any:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        return value
    found = [part for item in given for part in (entries(item) if isinstance(item, str) else [item])]
    check_words((part for part in found if isinstance(part, str)), secret=secret)
    return found


def people(value: Any) -> Any:
    """Parse names of people, which may contain spaces if each is a separate entry."""
    found = entries(value) if isinstance(value, str) else value
    if isinstance(found, list):
        check_words((part for part in found if isinstance(part, str)), spaces=not isinstance(value, str))
    return found


def one_word(value: SecretStr | None) -> SecretStr | None:
    if value and not re.fullmatch(r"[!#-&(-~]+", value.get_secret_value()):
        raise ValueError("must be one word of ASCII characters, without quotes and spaces")
    return value


def tables(value: Any) -> Any:
    """Parse tables from a variable, as JSON; in the file they are TOML."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be JSON where it comes from a variable; in the file it is a TOML table") from None
