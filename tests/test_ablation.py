"""The ablation: what is compared with what, and a tiny one from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from arena.config import Config
from arena.settings import find_config, load
from benchmarks.ablation import METHODS, comparisons, main

TINY = [
    "network.blocks=1",
    "network.channels=8",
    "runtime.engine=torch",
    "runtime.precision=fp32",
    "selfplay.games=4",
    "selfplay.slots=4",
    "selfplay.simulations=4",
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_is_one_change_of_the_base(method) -> None:  # type: ignore[no-untyped-def]
    base = load(Config, find_config("ablation_go7"), method.both)
    on = load(Config, find_config("ablation_go7"), [*method.both, *method.on])
    assert len(method.on) == 1
    assert on != base


def test_methods_with_the_same_base_share_its_trainings() -> None:
    pairs = list(comparisons([m for m in METHODS if m.name in ("ema", "reply", "surprise")], range(2)))
    assert len(pairs) == 2 * 3 + 2  # and the two bases, seed against seed
    assert len({pair.off.name for pair in pairs}) == 4
    assert len({pair.key for pair in pairs}) == len(pairs)


def test_a_comparison_is_trained_and_played_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(name: str) -> None:
        only = [name]
        main("ablation_connect_four", TINY, only, budget=1500, seeds=1, openings=3, simulations=2, folder=tmp_path)

    run("reply")
    (place,) = tmp_path.glob("ablation_connect_four-1500-*")
    results = place / "matches-3-2.json"
    (outcome,) = json.loads(results.read_text()).values()
    score, games, distinct, compute = outcome
    assert 0 <= score <= 1
    assert games == 6 >= distinct > 0
    assert all(1500 <= spent < 3000 for spent in compute)
    written = [path.stat().st_mtime_ns for path in (results, *place.glob("*/metrics.jsonl"))]
    run("reply")
    assert [path.stat().st_mtime_ns for path in (results, *place.glob("*/metrics.jsonl"))] == written
    assert "reply" in capsys.readouterr().out
    with pytest.raises(typer.BadParameter, match="no method magic"):
        run("magic")


def test_any_change_is_a_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = ["network.channels=4", "train.lr=0.01"]
    main("ablation_connect_four", TINY, change=change, budget=500, seeds=1, openings=1, simulations=1, folder=tmp_path)
    name = "network_channels_4-train_lr_0_01"
    assert f"{name}-0 against base-0" in capsys.readouterr().out.replace("\n", " ")
    (folder,) = tmp_path.glob(f"*/{name}-0")
    trained = load(Config, folder / "config.yaml", [])
    assert (trained.network.channels, trained.train.lr) == (4, 0.01)


def test_another_base_is_trained_beside_the_first(tmp_path: Path) -> None:
    """Or a finished training with other settings would stand for it."""
    for rate in ("0.01", "0.02"):
        base = [*TINY, f"train.lr={rate}"]
        main("ablation_connect_four", base, ["reply"], budget=500, seeds=1, openings=1, simulations=1, folder=tmp_path)
    rates = {load(Config, folder / "config.yaml", []).train.lr for folder in tmp_path.glob("*/base-0")}
    assert rates == {0.01, 0.02}
