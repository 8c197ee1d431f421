"""RQ's own commands as docs/queues.md has them, on queues with jobs of the meter."""

from app.core.count.meter import AWB
from app.store.count.records import Records
from tests.conftest import wait_until
from tests.guides.blocks import block
from tests.guides.own_redis import own_redis
from tests.guides.shell import Shell
from tests.pipeline.streams import DEPLOYMENT, config_for, resumes
from tests.workers.make import accept, drain, jobs_in, put_poison


def test_rqs_own_commands_show_requeue_suspend_and_do_the_meters_jobs(shell: Shell) -> None:
    info, requeue, worker, suspend = block("docs/queues.md", "With RQ's own tools").splitlines()
    with own_redis(shell) as connection:
        config = config_for(shell.environ["AWB_REDIS_URL"])
        failed = put_poison(connection)
        connection.hdel(f"rq:job:{failed}", "retries_left", "retry_intervals")
        drain(connection, config)
        assert jobs_in(connection)["failed"] == [failed]
        shell.ok(requeue.replace("JOB_ID", failed))
        assert (jobs_in(connection)["queued"], jobs_in(connection)["failed"]) == ([failed], [])

        accept(connection, resumes(3))
        shell.environ |= {"AWB_WEBHOOK_SECRET": "s" * 30, "AWB_DEPLOYMENT": DEPLOYMENT}
        with shell.start(f"exec {worker}"):
            records = Records(connection, DEPLOYMENT, AWB)
            wait_until(lambda: records.count() == 3 and jobs_in(connection)["failed"] == [failed], 60)
            shown = shell.ok(info)
            assert "awb-deliveries" in shown
            assert "1 workers, " in shown
            shell.ok(suspend)
            assert connection.exists("rq:suspended")
