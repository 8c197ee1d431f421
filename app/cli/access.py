"""Commands that make passwords' hashes and API tokens. They read and write nothing but the terminal."""

import secrets

import click
from werkzeug.security import generate_password_hash

from app.cli.base import AS_JSON, main, print_json
from app.core.access.people import LONGEST_PASSWORD, Role, token_digest

#: Of a password that stands alone, without a user name or a second factor.
_SHORTEST_PASSWORD = 12


@main.group()
def access() -> None:
    """Make passwords and tokens for people and programs on other machines."""


@access.command("hash")
def hash_password() -> None:
    """Ask for a password twice and print its hash.

    The hash is for AWB_ADMIN_PASSWORD_HASH or AWB_VIEWER_PASSWORD_HASH. It holds dollar signs: put it in single
    quotes, or into a file that AWB_ADMIN_PASSWORD_HASH_FILE names. In a compose file, write each of them twice.
    """
    password = click.prompt(
        f"Password, at least {_SHORTEST_PASSWORD} characters",
        hide_input=True,
        confirmation_prompt="The same again",
        err=True,
        value_proc=_checked,
    )
    click.echo(generate_password_hash(password))


def _checked(password: str) -> str:
    if not _SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise click.UsageError(f"takes {_SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password


@access.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What it may do.")
@AS_JSON
def token(role: str, as_json: bool) -> None:
    """Make a random API token and print it, once, with its entry for AWB_API_TOKENS.

    Programs send it as `Authorization: Bearer TOKEN`. The entry holds only its hash.
    """
    made = f"awb_{secrets.token_urlsafe(32)}"
    entry = f"{role}:{token_digest(made)}"
    if as_json:
        print_json({"role": role, "token": made, "entry": entry})
        return
    click.echo(f"Token, shown only now:     {made}")
    click.echo(f"Entry for AWB_API_TOKENS:  {entry}")
