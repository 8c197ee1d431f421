"""The settings and the user of docs/redis.md, on a server that has nothing else."""

import json

from tests.guides.blocks import block
from tests.guides.own_redis import own_redis
from tests.guides.shell import Shell

GUIDE = "docs/redis.md"


def test_a_server_with_the_documented_settings_and_user_satisfies_doctor(shell: Shell) -> None:
    settings = block(GUIDE, "Redis that you run yourself")
    file = shell.write("redis.conf", settings)
    with own_redis(shell, str(file)) as admin:
        wanted = dict(line.split() for line in settings.splitlines() if not line.startswith("#"))
        assert len(wanted) == 3
        assert {name: admin.config_get(name)[name] for name in wanted} == wanted
        user = block(GUIDE, "Redis that you run yourself", 2)
        assert shell.ok(f"redis-cli -s redis.sock <<'END'\n{user}END\n") == "OK\n"
        admin.execute_command("ACL", "SETUSER", "awb", "+info", "+config|get")
        url = shell.environ["AWB_REDIS_URL"].replace("unix://", "unix://awb:PASSWORD@")
        said = json.loads(shell.run("awb doctor --json", AWB_REDIS_URL=url).stdout)
    found = {one["check"]: one["outcome"] for one in said if one["check"].startswith("redis.")}
    assert {"redis.reachable", "redis.persistence", "redis.policy"} <= set(found)
    assert set(found.values()) == {"ok"}
