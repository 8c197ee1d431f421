"""The session secret that is made at the first start."""

import stat
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from app.config.keptsecret import ensure_session_secret, kept_secret
from app.config.load import ConfigError
from app.config.settings import Settings

SECRET = "a configured secret of sessions"


def made(settings: Settings) -> str:
    secret = ensure_session_secret(settings).session_secret
    assert secret is not None
    return secret.get_secret_value()


def test_the_secret_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    one = made(settings)
    assert (made(settings), len(one)) == (one, 48)
    assert stat.S_IMODE((tmp_path / "data" / "session-secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["session-secret"]


def test_two_services_have_two_secrets(tmp_path: Path) -> None:
    assert made(Settings(data_dir=tmp_path / "a")) != made(Settings(data_dir=tmp_path / "b"))


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPool(8) as pool:
        assert len(set(pool.map(made, [Settings(data_dir=tmp_path / "data")] * 64))) == 1


def test_a_configured_secret_leaves_the_directory_alone(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "session_secret": SECRET})
    assert made(settings) == SECRET
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_a_spoilt_file_is_reported_by_name_and_not_by_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "session-secret").write_bytes(content)
    with pytest.raises(ConfigError, match=r"session-secret: .*(delete it|AWB_SESSION_SECRET)") as raised:
        kept_secret(tmp_path, "session-secret", "AWB_SESSION_SECRET")
    assert "short" not in str(raised.value)


def test_a_directory_that_cannot_be_written_is_reported_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in its place")
    with pytest.raises(ConfigError, match=r"AWB_DATA_DIR: .* is no directory; .*or set AWB_SESSION_SECRET"):
        made(Settings(data_dir=tmp_path / "data"))
