"""The recipe “To add an alert kind” of CONTRIBUTING, carried out."""

import json
from pathlib import Path

import pytest
import redis

from app.simulator.sinks import SlackSink
from app.store.store import Store
from tests.conftest import RedisServer
from tests.recipes.checkout import Checkout

_WORDS = '''"""Words for idleness: nothing was counted although there is a limit to use."""

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity
from app.core.count.meter import Usage
from app.core.wording.context import Context, links
from app.core.wording.scene import Scene


def idle_alert(usage: Usage, context: Context) -> Alert:
    return Alert(
        name=f"idle-{usage.meter}",
        kind=AlertKind.IDLE,
        group_key=f"{usage.deployment}:idle",
        deployment=usage.deployment,
        meter=usage.meter,
        reason=Reason.FIRST,
        level="idle",
        severity=Severity.WARNING,
        headline="Nobody starts tasks",
        summary=f"Nothing was used in Coder deployment “{usage.deployment}”.",
        facts=(),
        meaning="Does anybody know of Coder Tasks?",
        links=links(context),
        footer="said once",
    )


def sample(scene: Scene) -> Alert:
    return idle_alert(scene.usage, scene.links_only)
'''
_WATCHER = '''"""Idleness: announced once for as long as nothing is used."""

from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.count.meter import AWB
from app.core.wording.idle import idle_alert
from app.pipeline.outlook import bare_context
from app.pipeline.notify.announce import change
from app.pipeline.usage import current_usage
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store


def watch(store: Store, config: Config) -> None:
    usage = current_usage(store, config, AWB, top=False)

    def decide(found: StoredAlert) -> Change | None:
        if (usage.used == 0) == bool(found.state.level):
            return None
        if usage.used:
            return Change(AlertState(), usage.as_of)
        firing = AlertState(level="idle", since=usage.as_of, announced_at=usage.as_of)
        return Change(firing, usage.as_of, idle_alert(usage, bare_context(config)))

    change(store, config, f"idle-{AWB}", decide)
'''
_SWEEP = """
import app
from app.config.load import load
from app.pipeline.watch.sweep import sweep
from app.store.server.connection import connect
config = load()
sweep(connect(config.settings.redis_url.get_secret_value()), config)
print(app.__path__[0])
"""


@pytest.mark.slow
def test_a_new_kind_in_three_files_is_announced_sent_and_previewed(
    connection: "redis.Redis", redis_server: RedisServer, tmp_path: Path
) -> None:
    with SlackSink() as slack:
        checkout = Checkout(tmp_path, redis_server.url, slack_webhook_url=slack.url)
        checkout.insert_below("app/core/alert/alert.py", '    DIGEST = "digest"\n', '    IDLE = "idle"\n')
        checkout.add("app/core/wording/idle.py", _WORDS)
        checkout.add("app/pipeline/watch/idle.py", _WATCHER)
        assert len(checkout.touched) == 3
        for _ in range(2):
            assert checkout.python(_SWEEP).splitlines()[-1] == str(tmp_path / "app")
        checkout.awb("worker", "awb-notifications", "--burst")
        [message] = slack.messages
        assert "Nobody starts tasks" in json.dumps(message)
        assert Store(connection, "default").alerts.firing() == ["idle-awb"]
        preview = json.loads(checkout.awb("notify", "preview", "--kind", "idle", "--json"))
        assert preview["message"]["headline"] == "Nobody starts tasks"
        # By which metrics count the alerts that fire.
        kind = "from app.core.alert.alert import AlertKind; print(AlertKind.of_name('idle-awb').name)"
        assert checkout.python(kind).strip() == "IDLE"
