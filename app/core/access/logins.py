"""Named logins: their roles and password hashes."""

import re
from dataclasses import dataclass, field
from typing import Final

from app.core.access.people import Role, check_password_hash_form

_ENTRY: Final = re.compile(r"([^\s:,]{1,100}):(viewer|admin):(\S+)")


@dataclass(frozen=True, slots=True)
class Login:
    """A person who logs in with their own password."""

    name: str
    role: Role
    password_hash: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Login":
        """Parse `name:role:hash`.

        Raises:
            ValueError: the format is wrong. The message does not repeat the text, because it may contain a password.
        """
        found = _ENTRY.fullmatch(text)
        if not found or not found[1].isprintable():
            raise ValueError("takes entries name:viewer:<hash> or name:admin:<hash>; `awb access login` makes one")
        if found[1] in list(Role):
            raise ValueError(f"“{found[1]}” is the name of the password that all {found[1]}s share; take another")
        try:
            check_password_hash_form(found[3])
        except ValueError as error:
            raise ValueError(f"what follows {found[1]}:{found[2]}: {error}") from None
        return cls(found[1], Role(found[2]), found[3])

    def __str__(self) -> str:
        return f"{self.name}:{self.role.value}:{self.password_hash}"


def parse_logins(text: str) -> tuple[Login, ...]:
    """Parse AWB_LOGINS: entries separated by commas, white space or line breaks.

    Raises:
        ValueError: an entry is invalid, or a name occurs twice.
    """
    logins = tuple(Login.parse(entry) for entry in re.split(r"[\s,]+", text) if entry)
    names = [login.name for login in logins]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice} twice; keep one of the two entries")
    return logins
