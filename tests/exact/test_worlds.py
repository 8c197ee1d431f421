import pytest
import redis

from tests.conftest import make_config
from tests.exact.play import like_true_ones, play, truth

#: Of 200 worlds, so many with every commit; `make test-long` plays the others.
EACH_TIME = 24
SEEDS = [pytest.param(seed, marks=[pytest.mark.long] if seed >= EACH_TIME else []) for seed in range(200)]


@pytest.mark.parametrize("seed", SEEDS)
def test_after_one_reconcile_the_ledger_is_the_worlds_true_list(connection: "redis.Redis", seed: int) -> None:
    config = make_config(coder_url="http://127.0.0.1:1", coder_token="unused")
    meter, world = play(connection, config, seed)
    proved, doubtful = meter.proved(), like_true_ones(world)
    assert {build: at for build, at in proved.items() if build not in doubtful} == truth(world)
