import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.text.mailbox import Mailbox, ascii_host, mailboxes, receiver_key


@pytest.mark.parametrize(
    ("text", "address", "key", "name"),
    [
        ("ops@example.com", "ops@example.com", "ops@example.com", ""),
        (" Ops@EXAMPLE.com. ", "Ops@example.com", "ops@example.com", ""),
        ("Ops <ops@example.com>", "ops@example.com", "ops@example.com", "Ops"),
        ("<ops@example.com>", "ops@example.com", "ops@example.com", ""),
        ('"Ops, \\"night\\" @ work" <ops@example.com>', "ops@example.com", "ops@example.com", 'Ops, "night" @ work'),
        ("Jörg Müller <joerg@example.com>", "joerg@example.com", "joerg@example.com", "Jörg Müller"),
        ("ops@exämple.com", "ops@xn--exmple-cua.com", "ops@exämple.com", ""),
        ("ops@EXÄMPLE.com", "ops@xn--exmple-cua.com", "ops@exämple.com", ""),
        ("ops@XN--exmple-cua.com", "ops@xn--exmple-cua.com", "ops@exämple.com", ""),
        ("jörg@example.com", "jörg@example.com", "jörg@example.com", ""),
        ("Jo\u0308rg@example.com", "Jörg@example.com", "jörg@example.com", ""),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v", "用户@例子.广告", ""),
        ("ops@mailhost", "ops@mailhost", "ops@mailhost", ""),
        ("a+b.c=d@x.example", "a+b.c=d@x.example", "a+b.c=d@x.example", ""),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: str, key: str, name: str) -> None:
    found = Mailbox.parse(text)
    assert (found.address, found.key, found.name) == (address, key, name)
    again = Mailbox.parse(str(found))
    assert again == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops",
        "@example.com",
        "a@x, b@x",
        "a@x\r\nBcc: b@x",
        "Ops\r\nBcc: b@x <a@x>",
        '"Ops\u202e" <a@x>',
        "a b@x.com",
        "a@x y",
        "a@",
        "a@x..y",
        "a\u00a0b@x.com",
        "a\u200bb@x.com",
        "a@x.com> <b@x.com",
        "Ops <a@x.com",
        "Ops a@x.com",
        "=?utf-8?q?=0D=0A?=@x.com",
        "a@[192.0.2.1]",
        "a@" + "x" * 300,
        "a@ex\u2488mple.com",
    ],
)
def test_what_is_no_address_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="use an address such as"):
        Mailbox.parse(text)


@given(st.text(max_size=40))
def test_whatever_is_read_holds_one_line_and_one_at(text: str) -> None:
    try:
        found = Mailbox.parse(f"{text}@example.com")
    except ValueError:
        return
    assert found.address.isprintable()
    assert not set(found.address) & set(' <>,;"')


def test_a_list_is_split_at_commas_outside_quotation_marks() -> None:
    text = 'ops@example.com, "Boss, the" <boss@example.com>,Jörg <j@example.com>,, '
    assert mailboxes(text) == ["ops@example.com", '"Boss, the" <boss@example.com>', "Jörg <j@example.com>"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Coder.Example.com.", "coder.example.com"),
        ("exämple.com", "xn--exmple-cua.com"),
        ("10.0.0.5", "10.0.0.5"),
        ("::1", None),
        ("a b", None),
        ("", None),
        ("x\r\ny", None),
    ],
)
def test_a_host_name_is_written_as_dns_has_it(host: str, expected: str | None) -> None:
    assert ascii_host(host) == expected


@pytest.mark.parametrize(
    ("spelled", "key"),
    [
        ("email:Ops@EXAMPLE.com", "email:ops@example.com"),
        ("email:ops@xn--exmple-cua.com", "email:ops@exämple.com"),
        ("email:*@EXAMPLE.com", "email:*@example.com"),
        ("email:*", "email:*"),
        ("slack:C1", "slack:C1"),
        ("*", "*"),
        ("email", "email"),
    ],
)
def test_only_addresses_have_several_spellings(spelled: str, key: str) -> None:
    assert receiver_key(spelled) == key


@pytest.mark.parametrize("separator", [",", ", ", ";", "; ", "\n", "\r\n", ",\n"])
def test_a_list_is_separated_as_every_other_list_of_settings(separator: str) -> None:
    entries = ['"Boss, the; first" <boss@example.com>', "Jörg <j@example.com>", "ops@example.com"]
    assert mailboxes(separator.join(entries)) == entries
