"""Configuration: strict, every problem at once, with where it stands and what to do; secrets never shown."""

import re
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from app.config.load import ConfigError, load, masked
from app.config.places import packaged
from app.config.secrettexts import secret_texts
from app.config.settings import SECRET_FIELDS, Settings
from app.config.webhooksecret import ensure_webhook_secret
from app.core.limit.threshold import Threshold
from tests.conftest import SECRET

ROOT = Path(__file__).parents[1]
PLANTED = "planted-7f3a9c"

#: Environment of one mistake, and what the one problem must name: where it stands, and the remedy.
BY_VARIABLE: list[tuple[dict[str, str], Sequence[str]]] = [
    ({"AWB_LIMITS": "5"}, ["AWB_LIMITS", "no such setting", "AWB_LIMIT”"]),
    ({"AWB_SLACK_URL": "x"}, ["AWB_SLACK_URL", "no such setting"]),
    ({"AWB_LIMIT_FILE": "x"}, ["AWB_LIMIT_FILE", "no such setting"]),
    ({"AWB_LIMIT": "many"}, ["AWB_LIMIT:", "a number of builds, 0, or unlimited"]),
    ({"AWB_LIMIT": "1.5"}, ["AWB_LIMIT:", "a number of builds, 0, or unlimited"]),
    ({"AWB_LIMIT": "-2"}, ["AWB_LIMIT:", "a number of builds, 0, or unlimited"]),
    ({"AWB_SOFT_LIMIT": "-1"}, ["AWB_SOFT_LIMIT:", "greater than or equal to 0"]),
    ({"AWB_WEB_PROCESSES": "0"}, ["AWB_WEB_PROCESSES:", "greater than or equal to 1"]),
    ({"AWB_WEB_PROCESSES": "65"}, ["AWB_WEB_PROCESSES:", "less than or equal to 64"]),
    ({"AWB_WEB_THREADS": "eight"}, ["AWB_WEB_THREADS:", "valid integer"]),
    ({"AWB_MAX_BODY_BYTES": "100"}, ["AWB_MAX_BODY_BYTES:", "greater than or equal to 16384"]),
    ({"AWB_KEEP_DAYS": "0"}, ["AWB_KEEP_DAYS:", "greater than or equal to 1"]),
    ({"AWB_REPEAT_DAYS": "366"}, ["AWB_REPEAT_DAYS:", "less than or equal to 365"]),
    ({"AWB_GRACE_SECONDS": "0"}, ["AWB_GRACE_SECONDS:", "greater than or equal to 1"]),
    ({"AWB_PERIOD": "weekly"}, ["AWB_PERIOD:", "lifetime, yearly, yearly:MM-DD, monthly or monthly:DD"]),
    ({"AWB_PERIOD": "yearly:02-30"}, ["AWB_PERIOD:"]),
    ({"AWB_THRESHOLDS": "75%,often"}, ["AWB_THRESHOLDS[2]:", "“often”", "+10%", "900 builds"]),
    ({"AWB_THRESHOLDS": "-5%"}, ["AWB_THRESHOLDS[1]:"]),
    ({"AWB_BIND": "8787"}, ["AWB_BIND:", "HOST:PORT, such as 127.0.0.1:8787"]),
    ({"AWB_BIND": ":8787"}, ["AWB_BIND:", "HOST:PORT"]),
    ({"AWB_BIND": "127.0.0.1:http"}, ["AWB_BIND:", "HOST:PORT"]),
    ({"AWB_BIND": "127.0.0.1:65536"}, ["AWB_BIND:", "HOST:PORT"]),
    ({"AWB_DEPLOYMENT": "Prod:EU"}, ["AWB_DEPLOYMENT:", "lower-case letters, digits and dashes"]),
    ({"AWB_CODER_URL": "coder.example.com"}, ["AWB_CODER_URL:", "https://coder.example.com"]),
    ({"AWB_CODER_URL": "ftp://coder.example.com"}, ["AWB_CODER_URL:", "https://coder.example.com"]),
    ({"AWB_CODER_URL": "https://["}, ["AWB_CODER_URL:", "https://coder.example.com"]),
    ({"AWB_PUBLIC_URL": f"https://u:{PLANTED}@awb.example.com"}, ["AWB_PUBLIC_URL:", "without user or password"]),
    ({"AWB_PUBLIC_URL": "https://coder.example.com/awb?x=1"}, ["AWB_PUBLIC_URL:", "no ? or #"]),
    ({"AWB_PUBLIC_URL": "https://coder.example.com/a/../b"}, ["AWB_PUBLIC_URL:", "letters, digits", "/awb"]),
    ({"AWB_PUBLIC_URL": "https://coder.example.com/a//b"}, ["AWB_PUBLIC_URL:", "single slashes"]),
    ({"AWB_PUBLIC_URL": "https://coder.example.com/api/awb"}, ["AWB_PUBLIC_URL:", "must not begin with /api", "/awb"]),
    ({"AWB_REDIS_URL": f"localhost:6379/{PLANTED}"}, ["AWB_REDIS_URL:", "redis://", "rediss://", "unix://"]),
    ({"AWB_REDIS_URL": f"redis://:{PLANTED}@host:port"}, ["AWB_REDIS_URL:", "redis://"]),
    ({"AWB_SLACK_WEBHOOK_URL": PLANTED}, ["AWB_SLACK_WEBHOOK_URL:", "https://hooks.slack.com/services/"]),
    ({"AWB_WEBHOOK_SECRET": "planted"}, ["AWB_WEBHOOK_SECRET:", "at least 16", "openssl rand -hex 24"]),
    ({"AWB_WEBHOOK_SECRET_PREVIOUS": "planted"}, ["AWB_WEBHOOK_SECRET_PREVIOUS:", "at least 16"]),
    ({"AWB_EMAIL_TO": "ops@example.com"}, ["e-mail needs", "missing: smtp_url, email_from"]),
    ({"AWB_REDIS_URL": f"redis+sentinel://:{PLANTED}@a:1,b:2"}, ["AWB_REDIS_URL:", "SERVICE-NAME"]),
    ({"AWB_REDIS_URL": f"redis+sentinel://:{PLANTED}@a:1,b:port/awb"}, ["AWB_REDIS_URL:", "SERVICE-NAME"]),
    ({"AWB_REDIS_URL": f"rediss+sentinel://:{PLANTED}@/awb"}, ["AWB_REDIS_URL:", "rediss+sentinel://"]),
    (
        {"AWB_REDIS_SERVER_NAME": "redis:6379", "AWB_REDIS_URL": "rediss://a"},
        ["AWB_REDIS_SERVER_NAME:", "host name", "without a port"],
    ),
    ({"AWB_REDIS_SERVER_NAME": "redis"}, ["redis_server_name needs a redis_url that begins with rediss://"]),
    ({"AWB_REDIS_SENTINEL_PASSWORD": PLANTED}, ["redis_sentinel_password needs", "redis+sentinel://"]),
    (
        {"AWB_REDIS_SENTINEL_USER": "awb", "AWB_REDIS_URL": "redis+sentinel://a/awb"},
        ["redis_sentinel_user needs redis_sentinel_password"],
    ),
    ({"AWB_SMTP_URL": f"smtp://u:{PLANTED}@mail.test"}, ["e-mail needs", "missing: email_from, email_to"]),
    (
        {"AWB_SMTP_URL": PLANTED, "AWB_EMAIL_FROM": "a@b.test", "AWB_EMAIL_TO": "c@d.test"},
        ["AWB_SMTP_URL:", "smtp://user:password@HOST:587"],
    ),
    (
        {"AWB_SMTP_URL": "smtp://mail.test", "AWB_EMAIL_FROM": "Ada <a@b.test", "AWB_EMAIL_TO": "c@d.test"},
        ["AWB_EMAIL_FROM:", "use an address such as ops@example.com"],
    ),
    (
        {"AWB_SMTP_URL": "smtp://mail.test", "AWB_EMAIL_FROM": "a@b.test", "AWB_EMAIL_TO": "c@d.test, nobody"},
        ["AWB_EMAIL_TO[2]:", "use an address such as ops@example.com"],
    ),
    ({"AWB_ROUTES": "receivers"}, ["AWB_ROUTES:", "must be JSON"]),
    ({"AWB_ROUTES": '[{"levels": [">1"]}]'}, ["AWB_ROUTES[1].levels[1]:", ">=100%"]),
    ({"AWB_LOG_FORMAT": "xml"}, ["AWB_LOG_FORMAT:", "'auto', 'json' or 'text'"]),
    ({"AWB_LOG_LEVEL": "loud"}, ["AWB_LOG_LEVEL:", "'debug', 'info', 'warning' or 'error'"]),
    ({"AWB_CONFIG": "/nowhere/awb.toml"}, ["/nowhere/awb.toml", "no such file", "AWB_CONFIG or --config"]),
    ({"AWB_RULES": "/nowhere/rules.toml"}, ["/nowhere/rules.toml", "cannot be read", "AWB_RULES"]),
    ({"AWB_CODER_TOKEN_FILE": "/nowhere/token"}, ["AWB_CODER_TOKEN_FILE", "/nowhere/token", "No such file"]),
]


def problems(environ: dict[str, str], path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(path, environ)
    return raised.value.problems


@pytest.mark.parametrize(("environ", "named"), BY_VARIABLE, ids=[" ".join(row[0]) for row in BY_VARIABLE])
def test_each_mistake_in_a_variable_is_named_with_its_remedy(environ: dict[str, str], named: Sequence[str]) -> None:
    (problem,) = problems(environ)
    assert [part for part in named if part not in problem] == []
    assert "planted" not in problem


IN_A_FILE = [
    ("limt = 5", ["unknown key “limt”", "did you mean “limit”?", "remove or correct it"]),
    ("[limit]\nx = 1", ["limit:"]),
    ("limit = true", ["limit:", "no true or false"]),
    ("limit = [1]", ["limit:"]),
    ("web_threads = true", ["web_threads:", "no true or false"]),
    ("bind = 8787", ["bind:", "valid string"]),
    ('thresholds = ["often"]', ["thresholds[1]:", "“often”"]),
    ("ai_templates = [1]", ["ai_templates[1]:", "valid string"]),
    ("period = 5", ["period:", "use lifetime, yearly"]),
    ("webhook_secret = 12345678901234567890", ["webhook_secret:", "valid string"]),
    ('webhook_secret = "planted"', ["webhook_secret:", "at least 16"]),
    ('email_to = ["ops@example.com"]', ["e-mail needs", "smtp_url"]),
    ("limit 5", ["not valid TOML", "line 1"]),
    (f'webhook_secret = "{PLANTED}', ["not valid TOML"]),
    ("limit = 1\nlimit = 2", ["not valid TOML"]),
    ('quiet_hours = ["22-07"]', ["quiet_hours[1]:", "22:00-07:00", "sat-sun"]),
    ('time_zone = "Middle/Earth"', ["time_zone:", "Europe/Berlin"]),
    ("dry_run = 7", ["dry_run:", "boolean"]),
    ('digest = ["daily"]', ["digest[1]:", "'weekly' or 'monthly'"]),
    ('[repeat_days_by_level]\n"90%" = 999', ["repeat_days_by_level:", "0 (never) to 365"]),
    ('[repeat_days_by_level]\n"often" = 9', ["repeat_days_by_level:", "“often”"]),
    ('[[routes]]\n[[routes]]\nlevel = ["90%"]', ["routes[2].level:", "unknown key “level”"]),
    ('[[routes]]\nlevels = [">90%"]', ["routes[1].levels[1]:", ">=100%"]),
    ('[[scopes]]\nby = "team"\nlimit = 5', ["scopes[1].by:", "'user'"]),
    ('[[scopes]]\nby = "user"', ["scopes[1].limit:", "required"]),
    ("[burst]\nbuilds = -1", ["burst.builds:", "0"]),
    ('[texts]\nsubject = "x"', ["texts.subject:", "unknown key “subject”"]),
    ('slack_channel = ["C1"]', ["the Slack bot needs", "slack_bot_token"]),
    ('metrics_bind = "everywhere"', ["metrics_bind:", "HOST:PORT"]),
    ('notify_webhook_url = "ftp://planted.test/x"', ["notify_webhook_url:", "https://"]),
    ('notify_webhook_secret = "planted"', ["notify_webhook_secret:", "at least 16"]),
]


@pytest.mark.parametrize(("text", "named"), IN_A_FILE, ids=[row[0] for row in IN_A_FILE])
def test_each_mistake_in_the_file_is_named_with_its_remedy(tmp_path: Path, text: str, named: Sequence[str]) -> None:
    file = tmp_path / "awb.toml"
    file.write_text(text, encoding="utf-8")
    (problem,) = problems({}, file)
    assert problem.startswith((f"{file}: ", "configuration: "))
    assert [part for part in named if part not in problem] == []
    assert "planted" not in problem


def test_a_file_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert problems({"AWB_CONFIG": str(file)}) == [f"{file}: cannot be read: it is not UTF-8; save it as UTF-8"]


# ---- What an env file, an editor or Kubernetes makes of it ----

LIST = ["claude-code", "aider"]
LISTS = [
    "claude-code,aider", "claude-code, aider", '"claude-code,aider"', "'claude-code,aider'", '"claude-code","aider"',
    "claude-code;aider", '"claude-code"; "aider"',
    "claude-code\naider\n", "\ufeffclaude-code,aider", "claude-code,aider\r",
]  # fmt: skip
#: Settings that list names, ids or networks, with two entries of each.
WORDS = {
    "ai_templates": LIST,
    "slack_channel": ["C0123", "C4567"],
    "slack_admins": ["U0123", "U4567"],
    "fallback": ["email:*", "slack"],
    "digest": ["weekly", "monthly"],
    "api_tokens": ["viewer:" + "0" * 64, "admin:" + "1" * 64],
    "proxy_addresses": ["10.0.0.0/8", "192.0.2.1"],
    "proxy_admins": ["ada", "zoë"],
}


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_read_with_quotes_semicolons_lines_or_a_byte_order_mark(text: str) -> None:
    assert load(environ={"AWB_AI_TEMPLATES": text}).settings.ai_templates == LIST


@pytest.mark.parametrize("joined", ['"{},{}"', '"{}","{}"', "{};{}", "{}\n{}"])
@pytest.mark.parametrize("key", WORDS)
def test_every_list_is_read_so(key: str, joined: str) -> None:
    more = {"slack_channel": {"AWB_SLACK_BOT_TOKEN": "xoxb-1"}}.get(key, {})
    environ = {f"AWB_{key.upper()}": joined.format(*WORDS[key]), **more}
    plain = load(environ={f"AWB_{key.upper()}": ",".join(WORDS[key]), **more})
    assert getattr(load(environ=environ).settings, key) == getattr(plain.settings, key)
    assert len(getattr(plain.settings, key)) == len(WORDS[key])


@pytest.mark.parametrize("joined", ["{} {}", '"{} {}"', '"{},{}', "{},{}'", "“{},{}”", "{},{} # ours"])
@pytest.mark.parametrize("key", WORDS)
def test_a_list_that_cannot_be_read_is_refused_and_not_taken_for_one_name(key: str, joined: str) -> None:
    more = {"slack_channel": {"AWB_SLACK_BOT_TOKEN": "xoxb-1"}}.get(key, {})
    (problem,) = problems({f"AWB_{key.upper()}": joined.format(*WORDS[key]), **more})
    assert problem.startswith(f"AWB_{key.upper()}: ")
    assert "separate names with commas" in problem


def test_an_api_token_that_was_put_in_by_itself_is_not_repeated() -> None:
    (problem,) = problems({"AWB_API_TOKENS": f"Bearer {PLANTED}"})
    assert (
        problem
        == "AWB_API_TOKENS: an entry is not one name: separate names with commas, without quotation marks or spaces"
    )


def test_an_empty_file_of_certificates_in_the_file_counts_as_not_set(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_text('ca_file = ""\ncoder_ca_file = ""\n', encoding="utf-8")
    assert load(file, {}).settings == Settings()


def test_lists_of_the_file_are_held_to_the_same(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_text('ai_templates = ["claude-code;aider"]\nproxy_admins = ["Ada Lovelace"]', encoding="utf-8")
    settings = load(file, {}).settings
    assert (settings.ai_templates, settings.proxy_admins) == (LIST, ["Ada Lovelace"])
    file.write_text('ai_templates = ["claude-code aider"]', encoding="utf-8")
    (problem,) = problems({}, file)
    assert "ai_templates: “claude-code aider” is not one name" in problem


QUOTED = {
    "coder_url": "https://coder.example.com",
    "public_url": "https://awb.example.com",
    "slack_webhook_url": "https://hooks.slack.com/services/T0/B0/X",
    "redis_url": "redis://:pass@redis.example.com:6379/0",
    "coder_token": "abcdefghij-0123456789abcdefghij01",
    "webhook_secret": SECRET,
    "data_dir": "/var/lib/My Meter",
    "bind": "127.0.0.1:9000",
    "period": "monthly",
    "limit": "unlimited",
}


@pytest.mark.parametrize("form", ['"{}"', "'{}'", " {}\r", "\ufeff{}", '\ufeff"{}"\n'])
@pytest.mark.parametrize("key", QUOTED)
def test_quotes_that_an_env_file_keeps_belong_to_no_value(tmp_path: Path, key: str, form: str) -> None:
    name = f"AWB_{key.upper()}"
    plain = load(environ={name: QUOTED[key]}).settings
    assert load(environ={name: form.format(QUOTED[key])}).settings == plain
    if key in SECRET_FIELDS:
        (tmp_path / "secret").write_text(form.format(QUOTED[key]), encoding="utf-8")
        environ = {f"{name}_FILE": f'"{tmp_path / "secret"}"'}
        assert load(environ=environ).settings == plain


@pytest.mark.parametrize("key", ["coder_url", "public_url", "slack_webhook_url", "redis_url", "coder_token"])
@pytest.mark.parametrize("form", ['"{}', "{}'", "“{}”", "{} # ours", "{},\t{}"])
def test_urls_and_tokens_with_stray_quotes_or_spaces_are_refused(key: str, form: str) -> None:
    (problem,) = problems({f"AWB_{key.upper()}": form.format(QUOTED[key], QUOTED[key])})
    assert problem.startswith(f"AWB_{key.upper()}: must be")
    assert key not in SECRET_FIELDS or QUOTED[key] not in problem


@pytest.mark.parametrize("key", ["data_dir", "rules", "coder_ca_file", "config"])
def test_paths_with_a_stray_quote_are_refused(key: str) -> None:
    for value in ('"/var/lib/x', "/var/lib/x'", "“/var/lib/x”"):
        found = problems({f"AWB_{key.upper()}": value})
        assert any("quotation mark" in problem for problem in found)
        assert any(f"AWB_{key.upper()}" in problem for problem in found)


def test_the_path_of_the_file_may_be_quoted_and_the_file_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file, rules = tmp_path / "awb meter.toml", tmp_path / "rules.toml"
    file.write_bytes(b"\xef\xbb\xbf" + b"limit = 5\n")
    rules.write_bytes(b"\xef\xbb\xbf" + packaged("rules.toml").read_bytes())
    config = load(environ={"AWB_CONFIG": f'"{file}"', "AWB_RULES": f"'{rules}'"})
    assert (config.settings.limit, config.rules_source) == (5, rules)


def test_a_variable_behind_a_byte_order_mark_is_not_overlooked() -> None:
    (problem,) = problems({"\ufeffAWB_LIMIT": "5"})
    assert problem.startswith("AWB_LIMIT: there is a byte order mark before the name; save")


SERVICE = {
    "AWB_METER_SERVICE_HOST": "10.96.12.7",
    "AWB_METER_SERVICE_PORT": "8787",
    "AWB_METER_SERVICE_PORT_HTTP": "8787",
    "AWB_METER_PORT": "tcp://10.96.12.7:8787",
    "AWB_METER_PORT_8787_TCP": "tcp://10.96.12.7:8787",
    "AWB_METER_PORT_8787_TCP_PROTO": "tcp",
    "AWB_METER_PORT_8787_TCP_PORT": "8787",
    "AWB_METER_PORT_8787_TCP_ADDR": "10.96.12.7",
}


@pytest.mark.parametrize("service", ["AWB", "AWB_METER", "AWB_PORT", "AWB_SERVICE_PORT", "AWB_METRICS_BIND"])
@pytest.mark.parametrize(("protocol", "address"), [("TCP", "10.96.12.7"), ("UDP", "fd00::7"), ("SCTP", "10.96.12.7")])
def test_service_links_of_kubernetes_are_ignored_with_one_notice(service: str, protocol: str, address: str) -> None:
    def renamed(text: str) -> str:
        return text.replace("AWB_METER", service).replace("TCP", protocol)

    host = f"[{address}]" if ":" in address else address
    environ = {
        renamed(name): value.replace("tcp", protocol.lower()).replace("10.96.12.7", host if "://" in value else address)
        for name, value in SERVICE.items()
    }
    config = load(environ={**environ, "AWB_LIMIT": "5"})
    assert config.settings == Settings(limit=5)
    (notice,) = config.notices
    assert notice.startswith("8 variables of Kubernetes' service links are ignored")
    assert load(environ={"AWB_LIMIT": "5"}).notices == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWB_PORT", "8787"),
        ("AWB_PORT", "tcp://localhost:8787"),
        ("AWB_PORT", "http://10.96.12.7:8787"),
        ("AWB_SERVICE_HOST", "0.0.0.0"),  # noqa: S104 - a value to refuse
        ("AWB_SERVICE_HOST", "awb.example.com"),
        ("AWB_SERVICE_PORT", "8787"),
        ("AWB_SMTP_PORT", "587"),
        ("AWB_METER_PORT_8787_TCP", "tcp://10.96.12.7:8788"),
        ("AWB_METER_PORT_8787_TCP_PORT", "8788"),
        ("AWB_METER_PORT_8787_TCP_PROTO", "udp"),
        ("AWB_METER_PORT_8787_TCP_ADDRESS", "10.96.12.7"),
        ("AWB_METER_SERVICE_HOSTS", "10.96.12.7"),
    ],
)
def test_what_only_looks_like_a_service_link_is_no_setting(name: str, value: str) -> None:
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name}: there is no such setting")


def test_mistakes_in_the_rules_are_named_by_file_and_rule(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[[rule]]\nname = 'x'\n", encoding="utf-8")
    found = problems({"AWB_RULES": str(file)})
    assert found
    assert all(str(file) in problem for problem in found)


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    """File, variables, secret files, settings that belong together, and rules: one look shows all of it."""
    file, empty = tmp_path / "awb.toml", tmp_path / "empty"
    file.write_text('limt = 5\nperiod = "weekly"\nemail_from = "awb@example.com"\n', encoding="utf-8")
    empty.touch()
    found = problems(
        {
            "AWB_CONFIG": str(file),
            "AWB_BIND": "nowhere",
            "AWB_NONSENSE": "1",
            "AWB_CODER_TOKEN_FILE": str(empty),
            "AWB_REDIS_URL_FILE": str(tmp_path / "missing"),
            "AWB_RULES": str(tmp_path / "no-rules.toml"),
        }
    )
    wanted = [
        "“limt”", "period", "e-mail needs", "AWB_BIND", "AWB_NONSENSE", "AWB_CODER_TOKEN_FILE", "AWB_REDIS_URL_FILE",
        "no-rules.toml",
    ]  # fmt: skip
    assert [word for word in wanted if not any(word in problem for problem in found)] == []
    assert len(found) == len(wanted)


def test_files_of_certificates_are_looked_into_at_the_start(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    ours, theirs = authority.issue_cert("a.test"), other.issue_cert("b.test")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    theirs.private_key_pem.write_to_path(tmp_path / "other.key")
    url = {"AWB_REDIS_URL": "rediss://a.test"}
    for more, wanted in (
        ({"REDIS_CA_FILE": tmp_path / "none"}, "AWB_REDIS_CA_FILE: the file"),
        ({"REDIS_CERT_FILE": tmp_path / "none"}, "AWB_REDIS_CERT_FILE: the file"),
        ({"REDIS_CERT_FILE": tmp_path / "cert.pem"}, "AWB_REDIS_CERT_FILE"),
        ({"REDIS_CERT_FILE": tmp_path / "cert.pem", "REDIS_KEY_FILE": tmp_path / "other.key"}, "holds its key"),
        ({"REDIS_KEY_FILE": tmp_path / "other.key"}, "redis_key_file needs redis_cert_file"),
    ):
        (problem,) = problems({**url, **{f"AWB_{name}": str(path) for name, path in more.items()}})
        assert wanted in problem


def test_the_password_in_a_url_for_sentinel_is_a_secret_text() -> None:
    settings = Settings(redis_url="redis+sentinel://awb:p%40ss@a:1,b:2/mymaster")
    assert {"p@ss", "p%40ss"} <= set(secret_texts(settings))


@pytest.mark.parametrize("key", SECRET_FIELDS)
def test_each_secret_may_come_from_a_file(tmp_path: Path, key: str) -> None:
    values = {
        "redis_url": f"redis://:{PLANTED}@127.0.0.1",
        "slack_webhook_url": f"https://hooks.slack.com/services/T0/B0/{PLANTED}",
        "smtp_url": f"smtp://u:{PLANTED}@mail.test",
        "notify_webhook_url": f"https://hooks.example.test/{PLANTED}",
        "admin_password_hash": f"scrypt:32768:8:1${PLANTED.replace('-', '')}$" + "0" * 128,
        "logins": f"ada:admin:scrypt:32768:8:1${PLANTED.replace('-', '')}$" + "0" * 128,
        "viewer_password_hash": f"scrypt:32768:8:1${PLANTED.replace('-', '')}$" + "0" * 128,
    }
    value = values.get(key, f"{PLANTED}-{PLANTED}")
    file = tmp_path / "secret"
    file.write_text(f" {value}\n", encoding="utf-8")
    environ = {f"AWB_{key.upper()}_FILE": str(file)}
    if key == "redis_sentinel_password":
        environ["AWB_REDIS_URL"] = "redis+sentinel://127.0.0.1/awb"
    if key == "smtp_url":
        environ |= {"AWB_EMAIL_FROM": "a@b.test", "AWB_EMAIL_TO": "c@d.test"}
    if key == "slack_bot_token":
        environ |= {"AWB_SLACK_CHANNEL": "C0123"}
    settings = load(environ=environ).settings
    assert getattr(settings, key).get_secret_value() == value
    assert PLANTED not in str(settings) + repr(settings) + str(masked(settings))


def test_a_secret_and_its_file_together_are_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(PLANTED * 2, encoding="utf-8")
    (problem,) = problems({"AWB_WEBHOOK_SECRET": SECRET, "AWB_WEBHOOK_SECRET_FILE": str(file)})
    assert problem == "AWB_WEBHOOK_SECRET_FILE: AWB_WEBHOOK_SECRET is set as well; keep one of the two"


def test_a_secret_file_that_is_empty_or_short_is_a_mistake_of_that_variable(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for text, says in ((" \n", f"the file {file} is empty"), ("planted", "must have at least 16 characters")):
        file.write_text(text, encoding="utf-8")
        (problem,) = problems({"AWB_WEBHOOK_SECRET_FILE": str(file)})
        assert problem.startswith(f"AWB_WEBHOOK_SECRET_FILE: {says}")
        assert "planted" not in problem


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_text('limit = 5\nbind = "127.0.0.1:1"\nthresholds = ["50%", "60%", "70%"]\n', encoding="utf-8")
    settings = load(file, {"AWB_LIMIT": "7", "AWB_THRESHOLDS": "80%, 900 builds"}).settings
    assert (settings.limit, settings.bind) == (7, "127.0.0.1:1")
    assert settings.thresholds == [Threshold.parse("80%"), Threshold.parse("900 builds")]


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_text("limit = 5\n", encoding="utf-8")
    environ = {f"AWB_{key.upper()}": "" for key in Settings.model_fields}
    environ |= {f"AWB_{key.upper()}_FILE": "" for key in SECRET_FIELDS}
    assert load(file, {**environ, "AWB_CONFIG": ""}).settings == Settings(limit=5)


def test_an_empty_secret_in_the_file_counts_as_not_set(tmp_path: Path) -> None:
    """A key uncommented and left empty means the default: the embedded Redis, the generated secret."""
    file = tmp_path / "awb.toml"
    file.write_text("".join(f'{key} = ""\n' for key in SECRET_FIELDS), encoding="utf-8")
    assert load(file, {}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "count"), [("unlimited", None), ("Unlimited", None), ("-1", None), ("0", 0), ("1_000", 1000)]
)
def test_limits_may_be_numbers_or_unlimited(text: str, count: int | None) -> None:
    assert load(environ={"AWB_LIMIT": text}).limit.count == count


@pytest.mark.parametrize(
    ("bind", "host", "port", "loopback"),
    [
        ("127.0.0.1:8787", "127.0.0.1", 8787, True),
        ("127.3.4.5:0", "127.3.4.5", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:8787", "::1", 8787, True),
        ("0.0.0.0:8787", "0.0.0.0", 8787, False),  # noqa: S104 - only read
        ("[::]:8787", "::", 8787, False),
        ("127.example.com:8787", "127.example.com", 8787, False),
    ],
)
def test_addresses_are_read_as_host_and_port(bind: str, host: str, port: int, loopback: bool) -> None:
    settings = load(environ={"AWB_BIND": bind}).settings
    assert (settings.bind_host, settings.bind_port, settings.on_loopback) == (host, port, loopback)


@pytest.mark.parametrize("key", ["AWB_BIND", "AWB_METRICS_BIND"])
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("::1:8787", "[::1]:8787"),
        (":::8787", "[::]:8787"),
        ("2001:db8::7:8787", "[2001:db8::7]:8787"),
        ("fe80::1%lo:8787", "[fe80::1%lo]:8787"),
        ("[::1]:8787", "[::1]:8787"),
    ],
)
def test_an_ipv6_address_without_brackets_is_understood_and_shown_with_them(key: str, written: str, meant: str) -> None:
    settings = load(environ={key: written}).settings
    assert (settings.bind if key == "AWB_BIND" else settings.metrics_bind) == meant


@pytest.mark.parametrize("key", ["AWB_BIND", "AWB_METRICS_BIND"])
@pytest.mark.parametrize(
    "wrong",
    ["::1", "[::1]", "[::1:8787", "::1]:8787", "[]:8787", "[localhost]:8787", "2001:db8::7777:", "2001:db8::7777",
     "[[::1]]:1", "1:2:3:8787", "::1:70000",
     "8787", ":8787", "http://127.0.0.1:8787", "127.0.0.1:8787/", "127.0.0.1:8787:1", "a b:80", "*:8787"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(key: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}.*127\.0\.0\.1:8787.*\[::1\]:8787"):
        load(environ={key: wrong})


def test_without_a_secret_shown_every_setting_is_shown() -> None:
    settings = Settings(webhook_secret=PLANTED * 2, redis_url=f"redis://:{PLANTED}@h", coder_token=PLANTED)
    shown = masked(settings)
    assert set(shown) == set(Settings.model_fields)
    assert {key for key, value in shown.items() if value == "<secret>"} == {
        "webhook_secret",
        "redis_url",
        "coder_token",
    }
    assert PLANTED not in str(shown)


def test_secret_texts_are_the_secrets_and_the_passwords_in_them() -> None:
    settings = Settings(
        webhook_secret="s" * 20,
        redis_url="redis://:p%40ss@host",
        slack_webhook_url="https://hooks.slack.com/services/T0/B0/X",
    )
    assert set(secret_texts(settings)) - {""} == {
        "s" * 20,
        "redis://:p%40ss@host",
        "p%40ss",
        "p@ss",
        "https://hooks.slack.com/services/T0/B0/X",
        "/services/T0/B0/X",
    }


# ---- The documented file ----


def documented() -> dict[str, object]:
    """Return what the packaged file says, with every commented key and table as it would be without the comment."""
    plain, _, tables = packaged("awb-meter.toml").read_text(encoding="utf-8").partition("# ---- Tables")
    keys = "|".join(Settings.model_fields)
    lines = [re.sub(rf"^# ({keys}) = ", r"\1 = ", line) for line in plain.splitlines()]
    inside = False
    for line in tables.splitlines()[1:]:
        inside = line.startswith("# [") or (inside and line.startswith("#"))
        lines.append(line.removeprefix("#").removeprefix(" ") if inside else line)
    return tomllib.loads("\n".join(lines))


def test_every_setting_is_documented_in_the_packaged_file() -> None:
    assert set(documented()) == set(Settings.model_fields)


def test_the_packaged_file_says_the_defaults() -> None:
    values = tomllib.loads(packaged("awb-meter.toml").read_text(encoding="utf-8"))
    assert Settings.model_validate(values) == Settings()
    assert load(environ={}).settings == Settings()


def test_what_is_commented_in_the_packaged_file_is_valid() -> None:
    assert Settings.model_validate(documented())


def test_settings_without_a_default_are_commented_in_the_packaged_file() -> None:
    values = tomllib.loads(packaged("awb-meter.toml").read_text(encoding="utf-8"))
    unset = {key for key, value in Settings() if value is None}
    # An array of tables that is there already, though empty, cannot be added to.
    assert set(Settings.model_fields) - set(values) == unset | {"routes", "scopes", "forward", "deployment_settings"}


# ---- The generated secret ----


def test_the_generated_secret_is_private_and_stays(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "deep" / "data")
    first, second = (ensure_webhook_secret(settings).webhook_secret for _ in range(2))
    assert first is not None
    assert first == second
    assert len(first.get_secret_value()) == 48
    file = settings.data_dir / "webhook-secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert [path.name for path in settings.data_dir.iterdir()] == ["webhook-secret"]


def test_two_installations_have_two_secrets(tmp_path: Path) -> None:
    found = {ensure_webhook_secret(Settings(data_dir=tmp_path / name)).webhook_secret for name in "ab"}
    assert len(found) == 2


def test_a_configured_secret_is_not_replaced(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, webhook_secret=SECRET)
    assert ensure_webhook_secret(settings) == settings
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("attempt", range(10))
def test_sixteen_first_starts_at_once_agree(tmp_path: Path, attempt: int) -> None:
    together = threading.Barrier(16)

    def start(_: int) -> str:
        together.wait(20)
        secret = ensure_webhook_secret(Settings(data_dir=tmp_path / "data")).webhook_secret
        return secret.get_secret_value() if secret else ""

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(start, range(16)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["webhook-secret"]


def test_first_starts_of_several_processes_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.config.webhooksecret import ensure_webhook_secret; "
        "from app.config.settings import Settings; sys.stdin.readline(); "
        "print(ensure_webhook_secret(Settings(data_dir=Path(sys.argv[1]))).webhook_secret.get_secret_value())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    pipe = subprocess.PIPE
    starts = [subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, text=True) for _ in range(6)]
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()
    found = {start.communicate(timeout=60)[0].strip() for start in starts}
    assert len(found) == 1
    assert len(found.pop()) == 48


@pytest.mark.parametrize("text", ["", "short\n", "ä" * 30])
def test_a_spoilt_secret_file_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "webhook-secret").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        ensure_webhook_secret(Settings(data_dir=tmp_path))
    assert str(tmp_path / "webhook-secret") in str(raised.value)
    assert "short\n" not in str(raised.value)


def test_a_data_directory_that_cannot_be_made_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"AWB_DATA_DIR: .* is no directory; .*or set AWB_WEBHOOK_SECRET"):
        ensure_webhook_secret(Settings(data_dir=tmp_path / "file" / "data"))
