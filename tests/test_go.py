"""Go as a game among others: its names, symmetry, random play, the books it keeps, and its golden game."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import TerritoryGame, make, random_actions
from envs import go_kernels as kernels
from envs.go import Go
from tests.go_boards import SUPERKO, arranged, played, random_game
from tests.go_twin import Twin
from tests.marks import compiled, wrapping

pytestmark = wrapping
GOLDEN = Path(__file__).parent / "golden"

# Options and names


def test_names_can_be_parsed_back() -> None:
    for spec in (
        "go",
        "go9",
        "go19",
        "go:size=7,komi=5.5",
        "go:size=2,komi=-0,superko=simple",
        "go:komi=1e-7",
        "go9:handicap=4,komi=-3.5",
        "go9:rules=tromp-taylor",
        "go9:superko=situational,suicide=true",
    ):
        game = make(spec)
        assert isinstance(game, TerritoryGame)
        assert make(game.name) == game
    assert make("go9").name == make("go", size=9).name == make("go", size="9", komi="7.0").name == "go:size=9,komi=7"
    assert make("go19").name == "go:size=19,komi=7.5"
    assert make("go:size=5,superko=simple").name == "go:size=5,komi=7,superko=simple"
    assert make("go9:handicap=2").name == "go:size=9,komi=0.5,handicap=2"
    assert make("go9:rules=tromp-taylor").name == make("go9", suicide=True).name == "go:size=9,komi=7,suicide=true"
    assert make("go9:rules=tromp-taylor,suicide=false,superko=positional").name == make("go9:rules=area").name
    assert (
        make("go9:rules=tromp-taylor,superko=situational").name == "go:size=9,komi=7,superko=situational,suicide=true"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size=1: choose a whole number from 2 to 19"),
        ({"size": "20"}, "size=20"),
        ({"size": 9.5}, "size=9.5"),
        ({"size": "nine"}, "size=nine"),
        ({"komi": "nan"}, "komi=nan: give a finite number"),
        ({"komi": float("inf")}, "komi=inf"),
        ({"komi": "abc"}, "komi=abc"),
        ({"superko": "natural"}, "superko=natural: choose positional, situational, simple"),
        ({"rules": "japanese"}, "rules=japanese: choose area or tromp-taylor"),
        ({"suicide": "maybe"}, "suicide=maybe: choose true or false"),
        ({"handicap": "few"}, "handicap=few: give a whole number of stones"),
        ({"handicap": 1}, "handicap=1 on 9x9: choose from 2 to 9 stones"),
        ({"handicap": -2}, "handicap=-2: give a whole number of stones"),
        ({"size": 8, "handicap": 5}, "handicap=5 on 8x8: choose from 2 to 4 stones"),
        ({"size": 5, "handicap": 2}, "handicap=2 on 5x5: boards below 7x7 have none"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("go", **options)


def test_action_names() -> None:
    game = make("go9")
    names = [game.action_name(action) for action in range(game.num_actions)]
    assert (names[0], names[8], names[72], names[80], names[81]) == ("A9", "J9", "A1", "J1", "pass")
    assert [game.parse_action(name.lower()) for name in names] == list(range(game.num_actions))
    for bad in ("I5", "A10", "A0", "K1", "", "5A", "A+1", "A²", "resign"):
        with pytest.raises(ValueError, match=r"A1 to J9 \(no column I\), or pass"):
            game.parse_action(bad)


# Symmetry


@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_eight_symmetries_commute_with_everything(size: int) -> None:
    game = Go(size)
    points, actions = game.symmetries
    for turn, moves in zip(points, actions, strict=True):
        where = np.argsort(moves)  # action a of the game is where[a] of the turned game
        turned = game.reset(1)
        for states, action in random_game(game, seed=size):
            assert np.array_equal(game.legal(turned), game.legal(states)[:, moves])
            planes = game.observe(states).reshape(len(game.planes), -1)[:, turn]
            assert np.array_equal(game.observe(turned).reshape(len(game.planes), -1), planes)
            assert np.array_equal(game.score(turned), game.score(states))
            turned = game.step(turned, where[[action]])


def test_colours_flipped() -> None:
    """After a first pass each player has the other's stones: the same game, colours and komi turned round."""
    game, mirror = Go(5, komi=1.5), Go(5, komi=-1.5)
    for seed in range(5):
        flipped = mirror.step(mirror.reset(1), np.array([25]))
        for states, action in itertools.islice(random_game(game, seed), game.max_plies - 1):
            assert np.array_equal(mirror.board(flipped), -game.board(states))
            assert np.array_equal(mirror.legal(flipped), game.legal(states))
            assert np.array_equal(mirror.score(flipped), -game.score(states))
            assert np.array_equal(mirror.heuristic(flipped), game.heuristic(states))
            planes = game.planes.index("pass just played")
            assert np.array_equal(mirror.observe(flipped)[:, :planes], game.observe(states)[:, :planes])
            flipped = mirror.step(flipped, np.array([action]))
            if game.terminal(game.step(states, np.array([action])))[0]:
                break


# Random play


@compiled
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(2, 10),
    superko=st.sampled_from(SUPERKO),
    suicide=st.booleans(),
    handicap=st.sampled_from([0, 2, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_play_keeps_the_books(size: int, superko: str, suicide: bool, handicap: int, seed: int) -> None:
    handicap *= size >= 7
    game = Go(size, superko=superko, suicide=suicide, handicap=handicap)
    rng = np.random.default_rng(seed)
    states = game.reset(8)
    placed = np.full(8, handicap)
    for ply in range(int(rng.integers(game.max_plies)) + 1):
        legal, going, before = game.legal(states), ~game.terminal(states), states.copy()
        assert np.array_equal(legal.any(axis=1), going)
        actions = random_actions(legal, rng)
        after = game.step(states, actions)
        assert np.array_equal(states, before), "step changed its argument"
        assert (after["ply"][going] == ply + 1).all()
        assert (after["to_play"][going] == 1 - states["to_play"][going]).all()
        placed += going & (actions < size * size)
        stones = np.abs(game.board(after)).sum(axis=(1, 2))
        assert (stones < size * size).all(), "a full board has no liberty"
        assert np.array_equal(stones + after["captures"].sum(axis=1), placed)
        states = after
    for state in states:
        game.check(state)


def test_rollouts_depend_on_their_seed_alone() -> None:
    game = Go(9)
    states = np.concatenate([states for states, _ in random_game(game, 3)])
    before, seeds = states.copy(), np.arange(len(states), dtype=np.uint64)
    together = game.rollout(states, seeds)
    assert np.array_equal(states, before)
    for i in range(0, len(states), 9):
        assert game.rollout(states[i : i + 1], seeds[i : i + 1])[0] == together[i]
    assert {-1, 1} <= set(np.unique(together)) <= {-1, 0, 1}
    last = game.step(states[-1:], np.array([game.num_actions - 1]))
    assert game.terminal(last)[0], "the game was as long as it may be"
    assert game.rollout(last, seeds[:1])[0] == game.returns(last)[0]


def test_rollouts_fill_no_eye() -> None:
    seeds = np.arange(200, dtype=np.uint64)
    game, states = arranged("..... .XXX. XX.XX X.X.X XXXXX", to_play="O", komi=0)
    assert (game.rollout(states.repeat(200), seeds) == -1).all(), "White cannot live above two black eyes"


@compiled
def test_rollouts_have_the_value_of_plain_random_playouts() -> None:
    """Black's mean result within four standard errors of the twin's, from a position in the middle of a 4x4 game."""
    game = Go(4, komi=0.5, superko="simple")
    opening = "B3 C2 C3 B2 D2 A3"
    states = played(game, opening)
    fast = game.rollout(states.repeat(4000), np.arange(4000, dtype=np.uint64)).mean()
    rng = np.random.default_rng(0)
    results = []
    for _ in range(300):
        twin = Twin(game, max_plies=6 + 3 * 16)
        for name in opening.split():
            twin.play(game.parse_action(name))
        results.append(twin.playout(rng))
    assert abs(fast - np.mean(results)) < 4 / np.sqrt(300)


def test_check_finds_what_is_wrong() -> None:
    game = Go(5)
    for states, _ in itertools.islice(random_game(game, 1), 30):
        game.check(states[0])
    stone = int(np.flatnonzero(game.board(states))[0])
    empty = int(np.flatnonzero(game.board(states) == 0)[0])
    chain = int(states["chain"][0, stone])
    for field, index, value in (
        ("board", 25, 0),
        ("board", empty, 1),
        ("chain", stone, empty),
        ("chain", empty, 0),
        ("next", chain, empty),
        ("libs", chain, 7),
        ("stood", stone, 0),
        ("room", kernels.FIRST + stone, 3),
        ("room", kernels.FIRST + empty, 1),
        ("room", kernels.FIRST - 1, 1),
        ("history", int(states["ply"][0]), 0),
    ):
        wrong = states.copy()
        wrong[field][0, index] = value
        with pytest.raises(ValueError, match=r"is wrong for point|history does not end|off the board"):
            game.check(wrong[0])
    wrong = states.copy()
    wrong["anchor"], wrong["since"] = empty, 1
    with pytest.raises(ValueError, match=f"anchor {empty} is no stone that stands since ply 1"):
        game.check(wrong[0])


# The golden game


def playthrough(lines: list[str]) -> list[str]:
    """The text of a game: its name, then for every `> move` the board, the score and what may not be played."""
    game = make(lines[0])
    assert isinstance(game, Go)
    states, told = game.reset(1), [game.name]
    for line in lines:
        if line.startswith("> "):
            states = game.step(states, np.array([game.parse_action(line[2:])]))
            empty = np.flatnonzero(game.board(states).reshape(-1) == 0)
            refused = [game.action_name(int(p)) for p in empty if not game.legal(states)[0, p]]
            ko = [game.action_name(int(p)) for p in np.flatnonzero(game.observe(states)[0, 10])]
            told += ["", line, *game.show(states[0]).splitlines(), f"score {game.score(states)[0]:g}"]
            told += [f"empty but illegal: {' '.join(refused) or '-'}", f"by ko: {' '.join(ko) or '-'}"]
    return told


def test_golden_game() -> None:
    """A change of rules or drawing shows here; when it is meant, write `playthrough` of the old file over it."""
    lines = (GOLDEN / "go.txt").read_text().splitlines()
    assert playthrough(lines) == lines
