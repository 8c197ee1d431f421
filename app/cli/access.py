"""Commands that create logins, password hashes and API tokens. They only print to the terminal."""

import secrets

import click
from werkzeug.security import generate_password_hash

from app.cli.base import AS_JSON, main, print_json
from app.core.access.logins import Login
from app.core.access.people import LONGEST_PASSWORD, Role, token_digest

#: For a password that is the only protection, without a user name or a second factor.
_SHORTEST_PASSWORD = 12
#: A placeholder in the form of a hash, to check the rest of an entry before the password is typed.
_A_HASH = f"scrypt:32768:8:1$aaaaaaaa${'0' * 128}"


@main.group()
def access() -> None:
    """Create passwords and tokens for people and programs on other machines."""


@access.command("hash")
def hash_password() -> None:
    """Ask for a password twice and print its hash.

    The hash is for AWB_ADMIN_PASSWORD_HASH or AWB_VIEWER_PASSWORD_HASH. It contains dollar signs: put it in single
    quotes, or into a file that AWB_ADMIN_PASSWORD_HASH_FILE names. In a compose file, double each of them.
    """
    click.echo(_ask_hash())


@access.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="Their role.")
def login(name: str, role: str) -> None:
    """Ask for a person's password twice and print their entry for AWB_LOGINS.

    AWB_LOGINS takes entries separated by commas or line breaks, preferably from a file that AWB_LOGINS_FILE names. An
    entry contains dollar signs: in a shell, put it in single quotes; in a compose file, double each of them. To change
    a password or a role, replace the entry; to revoke access, remove it. The restart ends the person's sessions.
    """
    try:
        Login.parse(f"{name}:{role}:{_A_HASH}")
    except ValueError as error:
        raise click.UsageError(f"NAME: {error}") from error
    click.echo(str(Login(name, Role(role), _ask_hash())))


def _ask_hash() -> str:
    password = click.prompt(
        f"Password, at least {_SHORTEST_PASSWORD} characters",
        hide_input=True,
        confirmation_prompt="Repeat the password",
        err=True,
        value_proc=_checked,
    )
    return generate_password_hash(password)


def _checked(password: str) -> str:
    if not _SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise click.UsageError(f"takes {_SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password


@access.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="Its role.")
@AS_JSON
def token(role: str, as_json: bool) -> None:
    """Create a random API token and print it once, with its entry for AWB_API_TOKENS.

    Programs send it as `Authorization: Bearer TOKEN`. The entry contains only its hash.
    """
    made = f"awb_{secrets.token_urlsafe(32)}"
    entry = f"{role}:{token_digest(made)}"
    if as_json:
        print_json({"role": role, "token": made, "entry": entry})
        return
    click.echo(f"Token, shown only once:    {made}")
    click.echo(f"Entry for AWB_API_TOKENS:  {entry}")
