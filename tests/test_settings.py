"""Settings: every mistake is named with its place, its key and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from arena.config import Config, smoke
from arena.settings import SettingsError, dump, find_config, load

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    config = load(Config, path)
    assert config.name == path.stem
    (tmp_path / "again.yaml").write_text(dump(config))
    assert load(Config, tmp_path / "again.yaml") == config
    assert smoke(config).iterations == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lrr=1", "command line: train.lrr: no such key; did you mean 'train.lr'?"),
        ("simulatons=1", "command line: simulatons: no such key; did you mean"),
        ("train.lr=fast", "command line: train.lr: should be a valid number"),
        ("seed=1.5", "command line: seed: should be a valid integer"),
        ("seed=true", "command line: seed: should be a valid integer"),
        ("selfplay.simulations=0", "command line: selfplay.simulations: should be greater than or equal to 1"),
        ("search.rule=magic", "command line: search.rule: should be 'puct' or 'gumbel'"),
        ("nonsense", "command line: 'nonsense' is no setting"),
        ("game=gox", "there is no game 'gox'; did you mean 'go'?"),
        ("game=go1", "size"),
        ("game='go:size=9,komi=abc'", "komi"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Config, find_config("tictactoe"), [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_a_file_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: x\ngame: tictactoe\niterations: many\nserch: {rule: puct}\n")
    with pytest.raises(SettingsError) as caught:
        load(Config, file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert any("did you mean 'search'" in line for line in lines)


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "name: [", "name: a\nname: b\n", "\x00"], ids=range(5))
def test_broken_files_are_one_line_errors(content: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        load(Config, file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_missing_files_and_names_are_errors() -> None:
    with pytest.raises(SettingsError, match=r"no/such\.yaml: no such config file"):
        find_config("no/such.yaml")
    with pytest.raises(SettingsError, match="did you mean 'tictactoe'"):
        find_config("tictacto")


def test_overrides_read_numbers_lists_and_sweep_style() -> None:
    config = load(Config, find_config("tictactoe"), ["--train.lr=1e-3", "rating.anchors={random: 0, greedy: 100}"])
    assert config.train.lr == 0.001
    assert config.rating.anchors == {"random": 0.0, "greedy": 100.0}
