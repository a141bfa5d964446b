"""Settings: every mistake is named with its place, its key and a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from agents.section import Section
from arena.alphago.settings import AlphaGoConfig
from arena.config import Config
from arena.settings import SettingsError, dump, find_config, kind, load


class Part(Section):
    rate: float = Field(0.1, gt=0)
    steps: int = 10
    clip: float | None = None
    sizes: tuple[int, ...] = (1,)
    rule: Literal["a", "b"] = "a"


class Whole(Section):
    name: str
    flag: bool = False
    part: Part = Part()
    extra: dict[str, int | float | str] = Field(default_factory=dict)


CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    model = AlphaGoConfig if kind(path) == "alphago" else Config
    config = load(model, path)
    assert config.name == path.stem
    (tmp_path / "again.yaml").write_text(dump(config))
    assert load(model, tmp_path / "again.yaml") == config


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
        ("rating.anchors={}", "command line: rating.anchors: name one player at least"),
        ("name=..", "command line: name: '..' is no name for a run: letters, digits"),
        ("name=../x", "command line: name: '../x' is no name for a run: letters, digits"),
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


def test_a_run_of_before_that_forced_no_playouts_is_read_and_one_that_did_is_refused() -> None:
    config = find_config("connect_four")
    assert load(Config, config, ["search.forced_playouts=0.0"]) == load(Config, config)
    with pytest.raises(SettingsError, match=r"search.forced_playouts: no such key"):
        load(Config, config, ["search.forced_playouts=2.0"])


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


def loaded(folder: Path, text: str, *overrides: str) -> Whole:
    (folder / "c.yaml").write_text(text)
    return load(Whole, folder / "c.yaml", overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, text, *overrides)
    return str(caught.value).replace(f"{folder / 'c.yaml'}", "FILE").splitlines()


def test_lists_optional_values_and_free_keys(tmp_path: Path) -> None:
    whole = loaded(
        tmp_path,
        "name: x\npart: {rate: 1, sizes: [1, 2], clip: null}\nextra: {one: 1, half: 0.5, word: hi}",
        "part.sizes=[3,4]",
        "extra.mcts:100=5",
    )
    assert whole.part == Part(rate=1.0, sizes=(3, 4))
    assert whole.extra == {"one": 1, "half": 0.5, "word": "hi", "mcts:100": 5}


def test_an_override_of_a_section_changes_it_and_of_a_table_replaces_it(tmp_path: Path) -> None:
    """rating.anchors={} was no change, and no override could take an anchor away."""
    text = "name: x\npart: {rate: 1, sizes: [1, 2]}\nextra: {one: 1, half: 0.5}"
    whole = loaded(tmp_path, text, "part={rate: 3}", "extra={two: 2}")
    assert whole.part == Part(rate=3.0, sizes=(1, 2))
    assert whole.extra == {"two": 2}
    assert loaded(tmp_path, text, "extra={}").extra == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\npart: {steps: 2.0}", "FILE: part.steps: should be a valid integer, not 2.0"),
        ("name: x\npart: {rate: true}", "FILE: part.rate: should be a valid number, not True"),
        ("name: x\nflag: 1", "FILE: flag: should be a valid boolean, not 1"),
        ("name: x\npart: {sizes: [1, x]}", "FILE: part.sizes.1: should be a valid integer, not 'x'"),
        ("name: x\npart:", "FILE: part: should be a group of settings, 'key: value' lines, not None"),
        ("flag: true", "FILE: name: missing; it needs a value"),
    ],
)
def test_a_wrong_value_in_a_file_is_named(text: str, line: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text) == [line]


def test_a_key_that_yaml_reads_as_no_text_is_named(tmp_path: Path) -> None:
    """YAML 1.1 takes the key `on` for a truth value."""
    (line,) = mistakes(tmp_path, "name: x\non: 1")
    assert line.startswith("FILE: true: no such key")


def test_a_value_that_fits_no_member_of_a_union_is_one_mistake(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, "name: x\nextra: {a: [1]}")
    assert line.startswith("FILE: extra.a: should be a valid integer or should be")
    assert line.endswith(", not [1]")


def test_mistakes_of_file_and_command_line_come_together(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "name: x\npart: {rat: 1}", "nonsense", "part.steps=[1", "part.rule=c", "prt.rate=1") == [
        "command line: 'nonsense' is no setting: write key=value, such as train.lr=0.001",
        'command line: part.steps: while parsing a flow sequence in "<unicode string>", line 1, column 4 '
        "did not find expected ',' or ']' in \"<unicode string>\", line 2, column 1",
        "command line: part.rule: should be 'a' or 'b', not 'c'",
        "FILE: part.rat: no such key; did you mean 'part.rate'?",
        "command line: prt.rate: no such key; did you mean 'part.rate'?",
    ]


def test_keys_typed_in_a_misspelt_group_are_named_whole(tmp_path: Path) -> None:
    """`prt.rate=1` was told of `part` alone; what followed the group had to be written again by heart."""
    assert mistakes(tmp_path, "name: x", "prt.rate=1", "prt.stps=2", "prt.xyz=3", "zzz.yyy=4", "part.xyz=5") == [
        "command line: part.xyz: no such key",
        "command line: prt.rate: no such key; did you mean 'part.rate'?",
        "command line: prt.stps: no such key; did you mean 'part.steps'?",
        "command line: prt.xyz: no such key; did you mean 'part'?",
        "command line: zzz.yyy: no such key",
    ]


def test_nothing_is_filled_in_from_the_environment(tmp_path: Path) -> None:
    assert loaded(tmp_path, "name: ${oc.env:HOME}").name == "${oc.env:HOME}"


def test_a_folder_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(SettingsError, match=str(path)):
            load(Whole, path)


def test_the_name_of_a_shipped_config_with_a_suffix_is_explained() -> None:
    with pytest.raises(SettingsError, match="did you mean 'tictactoe'"):
        find_config("tictacto.yaml")


words = st.sampled_from(["1e-3", "yes", "null", "~", "010", "0x1f", "a: b", "#", " x ", "???", "2026-01-01", "é\n", ""])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    name=words | st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=8),
    rate=st.floats(min_value=1e-300),
    sizes=st.lists(st.integers()).map(tuple),
    extra=st.dictionaries(st.text("ab:./", min_size=1), st.integers() | st.floats(allow_nan=False) | words),
)
def test_what_is_dumped_loads_back_equal(
    tmp_path: Path, name: str, rate: float, sizes: tuple[int, ...], extra: dict[str, int | float | str]
) -> None:
    whole = Whole(name=name, part=Part(rate=rate, sizes=sizes), extra=extra)
    assert loaded(tmp_path, dump(whole)) == whole
