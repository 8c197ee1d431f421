"""Starting the service: what it says, and when."""

import pytest
import redis

from app.cli import welcome as welcoming
from app.config.load import Config
from app.store.rq import jobqueue
from workers.runner import worker


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(welcoming, "_PATIENCE", 0.5)


def show(welcome: welcoming.Welcome) -> None:
    """Ask as the supervisor does, until something was printed."""
    while not welcome.try_to_show():
        pass


def register_all(connection: "redis.Redis", config: Config) -> None:
    for name in jobqueue.QUEUES:
        worker(name, connection, config).register_birth()


def test_the_welcome_waits_for_a_worker_of_every_queue(
    connection: "redis.Redis", config: Config, jobs_run: None, capsys: pytest.CaptureFixture[str]
) -> None:
    welcome = welcoming.Welcome(config, show_secret=False)
    assert (welcome.try_to_show(), capsys.readouterr().out) == (False, "")
    register_all(connection, config)
    assert welcome.try_to_show()
    assert "is running" in capsys.readouterr().out


@pytest.mark.usefixtures("no_patience", "jobs_run")
def test_queues_without_a_worker_are_named_instead_of_a_welcome(
    connection: "redis.Redis", config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    welcome = welcoming.Welcome(config, show_secret=False)
    worker(jobqueue.DELIVERIES, connection, config).register_birth()
    show(welcome)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"no worker is running for {', '.join(q for q in jobqueue.CORE if q != jobqueue.DELIVERIES)}:" in said.err


@pytest.mark.usefixtures("no_patience", "jobs_run")
def test_workers_of_an_earlier_run_do_not_count(
    connection: "redis.Redis", config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    register_all(connection, config)
    show(welcoming.Welcome(config, show_secret=False))
    said = capsys.readouterr()
    assert said.out == ""
    assert "no worker is running" in said.err
