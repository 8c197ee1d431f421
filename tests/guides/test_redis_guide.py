"""The settings and the user of docs/redis.md, on a server that has nothing else."""

import json

import pytest

from app.store import keys
from tests.conftest import wait_until
from tests.guides.blocks import block
from tests.guides.own_redis import own_redis
from tests.guides.shell import Shell
from tests.store.test_cluster import run

GUIDE = "docs/redis.md"


def test_a_server_with_the_documented_settings_and_user_satisfies_doctor(shell: Shell) -> None:
    settings = block(GUIDE, "Redis that you run yourself")
    file = shell.write("redis.conf", settings)
    with own_redis(shell, str(file)) as admin:
        wanted = dict(line.split() for line in settings.splitlines() if not line.startswith("#"))
        assert len(wanted) == 4
        assert {name: admin.config_get(name)[name] for name in wanted} == wanted
        user = block(GUIDE, "Redis that you run yourself", 2)
        assert shell.ok(f"redis-cli -s redis.sock <<'END'\n{user}END\n") == "OK\n"
        admin.execute_command("ACL", "SETUSER", "awb", "+info", "+config|get")
        url = shell.environ["AWB_REDIS_URL"].replace("unix://", "unix://awb:PASSWORD@")
        said = json.loads(shell.run("awb doctor --json", AWB_REDIS_URL=url).stdout)
    found = {one["check"]: one["outcome"] for one in said if one["check"].startswith("redis.")}
    assert {"redis.reachable", "redis.persistence", "redis.policy"} <= set(found)
    assert set(found.values()) == {"ok"}


@pytest.mark.long
def test_a_stock_worker_does_the_jobs_of_a_meter_with_a_prefix(shell: Shell) -> None:
    worker = block(GUIDE, "Several programs in one Redis", 2).strip()
    assignment = block(GUIDE, "Several programs in one Redis").strip()
    with own_redis(shell) as connection:
        url = shell.environ["AWB_REDIS_URL"]
        prefix = assignment.partition("=")[2]
        assert run(url, "receive", prefix=prefix) == [[202]]
        queue = f"{prefix}rq:queue:awb-deliveries"
        assert connection.llen(queue) == 25
        shell.environ |= {"AWB_WEBHOOK_SECRET": "s" * 30, "AWB_REDIS_PREFIX": prefix}
        with shell.start(worker):
            wait_until(lambda: connection.zcard(f"{prefix}{keys.deliveries('default')}") == 25, 60)
        assert connection.zcard(f"{prefix}rq:failed:awb-deliveries") == 0
        assert list(connection.scan_iter(match="rq:*")) == []
