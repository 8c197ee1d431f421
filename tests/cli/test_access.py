"""`awb access`: hashes and tokens that the settings take."""

import json

import pytest
from werkzeug.security import check_password_hash

from app.cli import access  # noqa: F401 - adds its commands
from app.core.access.logins import parse_logins
from app.core.access.people import Role, check_password_hash_form, parse_tokens, person_of_token
from tests.cli.conftest import call

PASSWORD = "correct horse battery"


def typed(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_password_typed_twice_gives_its_hash_alone_on_standard_output() -> None:
    result = call("access", "hash", stdin=typed(PASSWORD, PASSWORD))
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    check_password_hash_form(line)
    assert check_password_hash(line, PASSWORD)
    assert PASSWORD not in result.output


def test_two_hashes_of_one_password_differ() -> None:
    one, other = (call("access", "hash", stdin=typed(PASSWORD, PASSWORD)).stdout for _ in range(2))
    assert one != other


@pytest.mark.parametrize(
    "lines", [(PASSWORD, PASSWORD + "x"), ("short", "short"), ("x" * 1001, "x" * 1001), (PASSWORD,), ()]
)
def test_without_one_long_enough_password_twice_there_is_no_hash(lines: tuple[str, ...]) -> None:
    result = call("access", "hash", stdin=typed(*lines))
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_mistyped_password_is_asked_for_again() -> None:
    result = call("access", "hash", stdin=typed("short", PASSWORD, "other", PASSWORD, PASSWORD))
    assert check_password_hash(result.stdout.strip(), PASSWORD)


def test_a_login_is_an_entry_with_the_hash_of_what_was_typed() -> None:
    result = call("access", "login", "ada@example.com", "--role", "admin", stdin=typed(PASSWORD, PASSWORD))
    (login,) = parse_logins(result.stdout)
    assert (login.name, login.role) == ("ada@example.com", Role.ADMIN)
    assert check_password_hash(login.password_hash, PASSWORD)


@pytest.mark.parametrize("name", ["", "admin", "a b", "a:b", "a,b", "a\x1bb", "x" * 101])
def test_a_name_that_no_entry_can_have_is_refused_before_a_password_is_typed(name: str) -> None:
    result = call("access", "login", name, "--role", "admin", stdin=typed(PASSWORD, PASSWORD))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "NAME" in result.stderr


@pytest.mark.parametrize("role", list(Role))
def test_a_token_and_its_entry_belong_together(role: Role) -> None:
    made = json.loads(call("access", "token", "--role", role.value, "--json").stdout)
    found = person_of_token(parse_tokens([made["entry"]]), made["token"])
    assert found is not None
    assert found.role is role
    assert made["token"] not in made["entry"]


def test_a_token_is_shown_to_people_with_its_entry() -> None:
    lines = call("access", "token", "--role", "viewer").stdout.splitlines()
    token, entry = (line.split()[-1] for line in lines)
    assert person_of_token(parse_tokens([entry]), token)
    assert len(token) >= 40


def test_no_two_tokens_are_the_same() -> None:
    assert len({call("access", "token", "--role", "admin").stdout for _ in range(20)}) == 20


@pytest.mark.parametrize("words", [("token",), ("token", "--role", "owner"), ("hash", "password")])
def test_anything_else_is_a_usage_error(words: tuple[str, ...]) -> None:
    assert call("access", *words).exit_code == 2
