import json
import logging
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from apprise.manager_plugins import NotificationManager

from app.core.alert.decision import Reason
from app.notifiers.apprise import LOCAL_SCHEMES, AppriseNotifier, harmless
from app.notifiers.base import NotifyError
from tests.notifiers.httpsink import answer, sink
from tests.notifiers.samples import alert, charted, notification


def told(of: object = None, **more: str) -> dict[str, str]:
    with sink(answer(200)) as server:
        AppriseNotifier(f"json://127.0.0.1:{server.port}/x").send(replace(notification(of or charted()), **more))  # type: ignore[arg-type]
    (request,) = server.requests
    content: dict[str, str] = json.loads(request.body)
    return content


def test_the_message_says_all_in_plain_text() -> None:
    shown, content = charted(), told()
    assert content["title"] == "Warning: AWB 91.2% – 912 of 1,000 used"
    for text in [shown.summary, shown.meaning, shown.footer, *sum(shown.facts, ()), *(url for _, url in shown.links)]:
        assert text in content["message"]
    assert "It is expected to be reached on 2 June 2026." in content["message"]
    assert "912 of 1,000 (91.2%), 88 left" in content["message"]
    assert "could not be reached" not in content["message"]
    assert "Sent here because slack could not be reached." in told(stands_in_for="slack")["message"]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (alert(), "warning"),
        (alert(used=1050, level="100%"), "failure"),
        (alert(used=12, level="", reason=Reason.RESOLVED), "success"),
    ],
)
def test_the_severity_is_reported_in_apprises_words(of: object, expected: str) -> None:
    assert told(of)["type"] == expected


def test_a_long_message_is_one_message() -> None:
    content = told(replace(alert(), meaning="words " * 2000))
    assert len(content["message"]) <= 1900
    assert content["message"].endswith("…")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@everyone", "＠everyone"),
        ("<!channel>", "＜!channel＞"),
        ("john_doe", "john_doe"),
        ("_sly_", "＿sly＿"),
        ("10:30 to 11:00", "10:30 to 11:00"),
        ("Top users: ada", "Top users: ada"),
        (":tada:", "：tada:"),
        ("https://evil.example", "https：//evil.example"),
        ("[a](b)", "［a］(b)"),
        ("a\r\n# b", "a ＃ b"),
        ("k8s & gpu", "k8s & gpu"),
    ],
)
def test_what_calls_people_formats_or_links_is_written_in_full_width(text: str, expected: str) -> None:
    assert harmless(text) == expected


def test_every_service_that_only_shows_on_this_machine_is_refused() -> None:
    manager = NotificationManager()
    local = {
        scheme
        for scheme in manager.schemas()
        if any(set(re.findall(r"{(\w+)}", str(one))) <= {"schema"} for one in manager[scheme].templates)
    }
    assert local == LOCAL_SCHEMES - {"rsyslog"}, "a new version of Apprise has another one: refuse it, too"


@pytest.mark.parametrize("scheme", sorted(LOCAL_SCHEMES))
def test_a_local_service_is_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match=f"{scheme}:// shows messages on the meter's own machine"):
        AppriseNotifier(f"{scheme.upper()}://localhost/")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("", "must look like"),
        ("SECRETSECRET", "must look like"),
        ("file:SECRETSECRET", "must look like"),
        ("ex ec://SECRETSECRET", "must look like"),
        ("exec://SECRETSECRET", "cannot use this exec://"),
        ("file:///SECRETSECRET", "cannot use this file://"),
        ("script://SECRETSECRET", "cannot use this script://"),
        ("slack://SECRETSECRET", "cannot use this slack://"),
        ("discord://SECRETSECRET", "cannot use this discord://"),
        ("json://", "cannot use this json://"),
    ],
)
def test_what_apprise_cannot_use_is_refused_without_repeating_it(
    url: str, remedy: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ValueError, match=remedy) as caught:
        AppriseNotifier(url)
    assert "SECRETSECRET" not in f"{caught.value!r} {caught.value.__context__!r} {caplog.text} {capfd.readouterr()}"


def test_a_plugin_that_breaks_is_tried_again_without_its_words() -> None:
    notifier = AppriseNotifier("json://127.0.0.1:9/SECRETSECRET", patience=0)
    with pytest.raises(NotifyError) as caught:
        notifier.send(notification())
    assert (caught.value.permanent, caught.value.__context__) == (False, None)
    assert "SECRETSECRET" not in repr(caught.value)


def test_the_probe_reads_the_url_and_sends_nothing() -> None:
    with sink(answer(200)) as server:
        AppriseNotifier(f"json://127.0.0.1:{server.port}/").probe()
    assert server.requests == []


def test_without_apprise_the_meter_starts_and_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['apprise'] = None\n"
        "from importlib.machinery import PathFinder\n"
        "found = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name == 'apprise' else found(name, *more)\n"
        "del sys.modules['apprise']\n"
        "from app.notifiers.apprise import AppriseNotifier\n"
        "try: AppriseNotifier('json://localhost/')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "Apprise is not installed; the extra `apprise` installs it (docs/install/pip.md)"
