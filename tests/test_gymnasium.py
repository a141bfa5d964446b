"""The Gymnasium environments keep Gymnasium's rules, the games' own, and the sign of the reward."""

from __future__ import annotations

import copy
import doctest
import itertools
import re
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from numpy.typing import NDArray

import envs
from agents.players import make_player
from envs import Game, States, random_actions
from envs.batch import Threaded
from envs.gymnasium_env import BoardEnv, BoardVectorEnv
from envs.ids import IDS

COMPILED_NOWHERE_ELSE = ("Go13x13-v0", "Go19x19-v0")  # records of other sizes, six seconds each
every_id = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in COMPILED_NOWHERE_ELSE)) for name in IDS]
)
RESULT = re.compile(r"^([XO] won|[BW]\+|draw)", re.MULTILINE)  # as `show` writes it below a board
WINNERS = {"X won": "first", "O won": "second", "B+": "first", "W+": "second", "draw": None}
DOCS = Path(__file__).parent.parent / "docs" / "GYMNASIUM.md"


def lowest(game: Game) -> Any:
    """An opponent without chance: the legal action with the lowest number."""
    return lambda states, rng: game.legal(states).argmax(axis=1)


def scripted(moves: list[int]) -> Any:
    """An opponent that plays its part of one game."""
    return lambda states, rng: np.array(moves)[states["ply"]]


def masked(infos: dict[str, Any], rng: np.random.Generator, wrong: float = 0) -> NDArray[np.int64]:
    """[B] random legal actions, of which about the fraction `wrong` is replaced by illegal ones, where there are some."""
    mask = infos["action_mask"].astype(np.bool_)
    return np.where(rng.random(len(mask)) < wrong, mask.argmin(axis=1), random_actions(mask, rng))


def assert_alike(ours: Any, theirs: Any, *, steps: int, wrong: float = 0) -> None:
    """Both vector environments answer the same to the same actions, whoever's opponents and resets come between."""
    rng, found = np.random.default_rng(0), ours.reset(seed=0)
    assert data_equivalence(found, theirs.reset(seed=0), exact=True)
    for _ in range(steps):
        actions = masked(found[-1], rng, wrong)
        found = ours.step(actions)
        assert data_equivalence(found, theirs.step(actions), exact=True)


def recorded_games() -> list[Path]:
    """The golden playthroughs, one whole random game each."""
    files = sorted((Path(__file__).parent / "golden").glob("*.txt"))
    return [file for file in files if "\nplays: " in file.read_text(encoding="utf-8")]


def played(env: BoardEnv, moves: list[int], *, seed: int | None = None) -> tuple[float, NDArray[np.uint8]]:
    """The reward and the last observation of a game in which the learner plays its part of `moves`."""
    _, info = env.reset(seed=seed)
    ended = False
    while not ended:
        ply = int(env.games.states["ply"][0])
        assert ply % 2 == info["player"], "it is the learner's turn"
        observation, reward, ended, truncated, info = env.step(moves[ply])
        assert not truncated
        assert ended or reward == 0
    return reward, observation


# What Gymnasium asks of environments.


def test_every_game_has_a_name() -> None:
    assert {re.sub(r"\d*(:.*)?$", "", spec) for spec in IDS.values()} == set(envs.GAMES)


@every_id
def test_gymnasiums_checks_pass_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"envs:{name}").unwrapped)


@pytest.mark.parametrize("opponent", ["greedy", "minimax:2", pytest.param("mcts:20", marks=pytest.mark.slow)])
def test_gymnasiums_checks_pass_with_every_kind_of_opponent(opponent: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make("envs:ConnectFour-v0", opponent=opponent, make_player=make_player, side="second")
        check_env(env.unwrapped)


@every_id
@pytest.mark.parametrize("mode", AutoresetMode)
def test_game_i_of_a_vector_environment_is_the_single_environment_seeded_with_seed_plus_i(
    name: str, mode: AutoresetMode
) -> None:
    """Observations, rewards, ends and infos, masks and final observations, equal those of Gymnasium's own vectors."""
    ours = gymnasium.make_vec(f"envs:{name}", num_envs=5, autoreset_mode=mode)
    theirs = gymnasium.make_vec(
        f"envs:{name}", num_envs=5, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    assert type(ours.unwrapped) is BoardVectorEnv
    assert ours.metadata == theirs.metadata
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, space) == getattr(theirs, space)
    rng, ends = np.random.default_rng(0), 0
    found = ours.reset(seed=7)
    assert data_equivalence(found, theirs.reset(seed=7), exact=True)
    for _ in range(30):
        actions = masked(found[-1], rng, wrong=0.1)
        found = ours.step(actions)
        assert data_equivalence(found, theirs.step(actions), exact=True)
        assert found[0] in ours.observation_space
        over = found[2]
        ends += over.sum()
        if mode == AutoresetMode.DISABLED and over.any():
            (planes, info), (their_planes, _) = (
                vector.reset(options={"reset_mask": over.copy()}) for vector in (ours, theirs)
            )
            np.testing.assert_array_equal(planes, their_planes)
            found = (planes, info)
    assert ends > 5


@pytest.mark.peer
def test_another_librarys_game_is_an_environment_too() -> None:
    spec = "openspiel:dots_and_boxes(num_rows=2,num_cols=2)"  # where a box gives another move: the other side skips
    single = [BoardEnv(spec, side="alternate") for _ in range(3)]
    vector = BoardVectorEnv(spec, 3, side="alternate")
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message=".*the environment not having a spec")
        check_env(single[0])
    theirs = gymnasium.vector.SyncVectorEnv([lambda env=env: env for env in single])
    assert_alike(vector, theirs, steps=40, wrong=0.05)


def test_an_opponent_without_chance_answers_alike_in_both_environments() -> None:
    opponent = lowest(envs.make("othello6"))
    ours, theirs = (
        gymnasium.make_vec("envs:Othello6x6-v0", num_envs=4, vectorization_mode=mode, opponent=opponent)
        for mode in ("vector_entry_point", "sync")
    )
    assert_alike(ours, theirs, steps=60)


def test_gymnasiums_wrappers_understand_the_vector_environment() -> None:
    vector = RecordEpisodeStatistics(gymnasium.make_vec("envs:TicTacToe-v0", num_envs=8))
    _, infos = vector.reset(seed=0)
    rng, episodes = np.random.default_rng(0), 0
    for _ in range(40):
        _, rewards, over, _, infos = vector.step(masked(infos, rng))
        np.testing.assert_array_equal(infos.get("_episode", np.zeros(8, bool)), over)
        if over.any():
            np.testing.assert_array_equal(infos["episode"]["r"][over], rewards[over])
            assert (infos["episode"]["l"][over] >= 2).all()
            assert (infos["episode"]["l"][over] <= 5).all()
        episodes += over.sum()
    assert episodes > 40
    listed = DictInfoToList(gymnasium.make_vec("envs:TicTacToe-v0", num_envs=2)).reset(seed=0)[1]
    assert [set(info) for info in listed] == [{"action_mask", "player", "illegal"}] * 2


# Rewards: whose they are.


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize(
    ("spec", "moves", "winner"),
    [
        ("connect_four", "1 2 1 2 1 2 1", "first"),  # both stack their own column
        ("connect_four", "1 2 1 2 1 2 7 2", "second"),  # until the first wastes a move
        ("tictactoe", "a3 b2 c1 b3 b1 a1 c3 c2 a2", None),
    ],
)
def test_the_learner_is_rewarded_for_its_own_line_and_punished_for_the_other(
    spec: str, moves: str, winner: str | None, side: str
) -> None:
    game = envs.make(spec)
    actions = [game.parse_action(move) for move in moves.split()]
    env = BoardEnv(game, opponent=scripted(actions), side=side)
    reward, _ = played(env, actions)
    assert reward == (0 if winner is None else 1 if winner == side else -1)
    assert str(reward) != "-0.0"
    assert env.games.states["ply"][0] == len(actions)


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize("file", recorded_games(), ids=lambda file: file.stem)
def test_the_reward_of_a_recorded_game_is_the_result_written_below_it(file: Path, side: str) -> None:
    text = file.read_text(encoding="utf-8")
    game = envs.make(text.split()[0])
    moves = [game.parse_action(move) for move in re.findall(r"^plays: (.+)$", text, re.MULTILINE)]
    winner = WINNERS[RESULT.findall(text)[-1]]
    start = game.reset(1)
    first_moves = np.flatnonzero(game.legal(start)[0])
    replies = game.step(np.repeat(start, len(first_moves)), first_moves)
    if side == "second" and game.terminal(replies).any():
        pytest.skip("the first move can end it: the second player is never to move")
    env = BoardEnv(game, opponent=scripted(moves), side=side, render_mode="ansi")
    reward, observation = played(env, moves)
    assert reward == (0 if winner is None else 1 if winner == side else -1)
    assert env.render() in text
    np.testing.assert_array_equal(observation, game.observe(env.games.states)[0])


def test_rewards_add_up_to_the_results_of_the_same_games_between_equals() -> None:
    """Random against random at tic-tac-toe: the first player wins 58.5%, loses 28.8%, by exact enumeration."""
    for side, win, loss in (("first", 0.585, 0.288), ("second", 0.288, 0.585)):
        vector = BoardVectorEnv("tictactoe", 1000, side=side)
        rewards = finals(vector, 20_000, seed=0)
        assert abs((rewards == 1).mean() - win) < 0.015
        assert abs((rewards == -1).mean() - loss) < 0.015


def finals(vector: BoardVectorEnv, games: int, seed: int) -> NDArray[np.float64]:
    """The rewards of about so many games of a random learner: whole rounds, so that short games count no more than long."""
    rng, found = np.random.default_rng(seed), []
    for turn in range(games // vector.num_envs):
        _, infos = vector.reset(seed=seed + turn * vector.num_envs)
        pending = np.ones(vector.num_envs, np.bool_)
        while pending.any():
            _, rewards, over, _, infos = vector.step(masked(infos, rng))
            found.append(rewards[over & pending])
            pending &= ~over
    return np.concatenate(found)


# Masks and illegal actions.


@every_id
def test_the_mask_is_what_the_rules_allow_the_learner(name: str) -> None:
    vector = gymnasium.make_vec(f"envs:{name}", num_envs=3)
    game, rng = vector.unwrapped.game, np.random.default_rng(1)
    _, infos = vector.reset(seed=1)
    over = np.zeros(3, np.bool_)
    for _ in range(20):
        states = vector.unwrapped.games.states
        assert infos["action_mask"].dtype == np.int8
        np.testing.assert_array_equal(infos["action_mask"], game.legal(states))
        assert (states["to_play"][~over] == infos["player"][~over]).all()
        sampled = vector.action_space.sample(mask=tuple(infos["action_mask"]))
        assert infos["action_mask"][np.arange(3), sampled][~over].all()
        _, _, over, _, infos = vector.step(masked(infos, rng))


def test_sampling_by_the_mask_plays_a_whole_game_with_gymnasium_alone() -> None:
    env = gymnasium.make("envs:Go5x5-v0", illegal="raise")
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    over = False
    while not over:
        np.testing.assert_array_equal(env.get_wrapper_attr("action_masks")(), info["action_mask"].astype(np.bool_))
        _, _, over, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))
    assert not info["action_mask"].any()


def test_an_illegal_action_loses() -> None:
    env = BoardEnv("tictactoe", side="first", opponent=scripted([-1, 4]))
    env.reset()
    env.step(0)
    before = env.games.states.copy()
    _, reward, terminated, truncated, info = env.step(4)
    assert (reward, terminated, truncated, info["illegal"]) == (-1, True, False, True)
    assert not info["action_mask"].any()
    assert env.games.states == before
    _, info = env.reset()
    assert not info["illegal"]


def test_an_illegal_action_ends_its_own_game_only() -> None:
    vector = BoardVectorEnv("connect_four", 3, side="first", opponent=lowest(envs.make("connect_four")))
    vector.reset()
    for _ in range(3):  # three of the opponent's, three of the learner's: column 1 is full
        _, rewards, over, _, infos = vector.step(np.array([0, 0, 1]))
    _, rewards, over, _, infos = vector.step(np.array([0, 1, 1]))
    assert over.tolist() == [True, False, True]
    assert rewards.tolist() == [-1, 0, 1]
    assert infos["illegal"].tolist() == [True, False, False]


def test_illegal_raise_refuses_and_leaves_the_game_as_it_was() -> None:
    env = BoardEnv("tictactoe", side="first", illegal="raise", opponent=scripted([-1, 4, -1, 8]))
    env.reset()
    env.step(0)
    with pytest.raises(ValueError, match=r"action 4 \(b2\) is illegal in game 0: .*action_mask"):
        env.step(4)
    _, reward, terminated, _, _ = env.step(1)
    assert (reward, terminated) == (0, False)
    vector = BoardVectorEnv("tictactoe", 2, side="first", illegal="raise", opponent=scripted([-1, 4]))
    vector.reset()
    vector.step(np.array([0, 0]))
    before = vector.games.states.copy()
    with pytest.raises(ValueError, match="illegal in game 1"):
        vector.step(np.array([1, 4]))
    np.testing.assert_array_equal(vector.games.states, before)


@pytest.mark.parametrize("illegal", ["lose", "raise"])
@pytest.mark.parametrize("action", [9, -1, 1.0, "a1", None, [3]])
def test_what_is_no_action_is_refused(action: object, illegal: str) -> None:
    env = BoardEnv("tictactoe", illegal=illegal)
    env.reset()
    with pytest.raises(ValueError, match="actions"):
        env.step(action)  # type: ignore[arg-type]
    vector = BoardVectorEnv("tictactoe", 2, illegal=illegal)
    vector.reset()
    with pytest.raises(ValueError, match="actions"):
        vector.step([action, action])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"give 2 whole numbers, shape \[2\]"):
        vector.step(np.zeros(3, np.int64))


# Beginnings, seeds and sides.


def test_a_game_must_begin_before_it_is_played_and_again_when_it_is_over() -> None:
    env = BoardEnv("tictactoe", opponent=scripted([0, 3, 1, 4, 2]), side="first")
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    played(env, [0, 3, 1, 4, 2])
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(8)
    for mode in AutoresetMode:
        with pytest.raises(ResetNeeded, match="reset"):
            BoardVectorEnv("tictactoe", 2, autoreset_mode=mode).step(np.zeros(2, np.int64))


def test_without_autoreset_the_games_that_are_over_must_be_reset() -> None:
    vector = BoardVectorEnv("tictactoe", 2, autoreset_mode="Disabled", side="first", opponent=scripted([-1, 8, -1, 7]))
    vector.reset()
    vector.step(np.array([0, 0]))
    vector.step(np.array([1, 0]))  # the second loses by an illegal action
    with pytest.raises(ResetNeeded, match="reset"):
        vector.step(np.array([2, 0]))
    vector.reset(options={"reset_mask": np.array([False, True])})
    assert vector.games.states["ply"].tolist() == [4, 0]


def test_next_step_autoreset_ignores_the_action_and_begins_anew() -> None:
    vector = BoardVectorEnv("tictactoe", 1, side="alternate", opponent=scripted([0, 3, 1, 4, 2]))
    vector.reset()
    for action in (0, 1, 2):
        _, rewards, over, _, infos = vector.step(np.array([action]))
    assert (rewards[0], over[0], infos["action_mask"].sum()) == (1, True, 0)
    _, rewards, over, _, infos = vector.step(np.array([2]))
    assert (rewards[0], over[0], infos["action_mask"].sum(), infos["player"][0]) == (0, False, 8, 1)
    assert vector.games.states["ply"][0] == 1


def test_same_step_autoreset_hands_over_the_end_and_the_beginning() -> None:
    vector = BoardVectorEnv(
        "tictactoe", 2, side="first", opponent=scripted([-1, 3, -1, 4, -1, 2]), autoreset_mode="SameStep"
    )
    vector.reset()
    vector.step(np.array([0, 0]))
    vector.step(np.array([1, 1]))
    planes, rewards, over, _, infos = vector.step(np.array([2, 8]))
    assert rewards.tolist() == [1, 0]
    assert over.tolist() == infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [True, False]
    assert not planes[0].any()
    assert infos["action_mask"].sum(axis=1).tolist() == [9, 3]
    assert infos["final_obs"][1] is None
    # After the learner's last move the planes are the opponent's: its two stones first.
    np.testing.assert_array_equal(infos["final_obs"][0].sum(axis=(1, 2)), [2, 3])


@pytest.mark.parametrize("name", ["ConnectFour-v0", "Hex5x5-v0"])
def test_the_same_seed_plays_the_same_games(name: str) -> None:
    def episode(seed: int) -> list[bytes]:
        vector = gymnasium.make_vec(f"envs:{name}", num_envs=16)
        rng = np.random.default_rng(0)
        planes, infos = vector.reset(seed=seed)
        found = [planes.tobytes()]
        for _ in range(40):
            planes, rewards, _, _, infos = vector.step(masked(infos, rng))
            found += [planes.tobytes(), rewards.tobytes()]
        return found

    assert episode(1) == episode(1)
    assert episode(1) != episode(2)


def test_unseeded_environments_differ() -> None:
    openings = {BoardEnv("go9", side="second").reset()[0].tobytes() for _ in range(8)}
    assert len(openings) > 1


@pytest.mark.parametrize(
    ("side", "players"), [("first", [0, 0, 0, 0]), ("second", [1, 1, 1, 1]), ("alternate", [0, 1, 0, 1])]
)
def test_the_learner_plays_the_side_that_was_chosen(side: str, players: list[int]) -> None:
    env = BoardEnv("connect_four", side=side)
    for _ in range(2):  # a seed begins the alternation anew
        infos = [env.reset(seed=3 if first else None)[1] for first in (True, False, False, False)]
        assert [info["player"] for info in infos] == players
    vector = BoardVectorEnv("connect_four", 3, side=side)
    for player in players:
        planes, infos = vector.reset()
        assert infos["player"].tolist() == [player] * 3
        assert planes[:, 0].sum() == 0
        assert planes[:, 1].sum() == 3 * player, "the opponent has opened where the learner is second"
        assert (planes[:, 2] == player).all()


def test_random_sides_and_random_moves_are_uniform() -> None:
    vector = BoardVectorEnv("connect_four", 7000)
    planes, infos = vector.reset(seed=0)
    assert abs(infos["player"].mean() - 0.5) < 0.03
    opened = planes[infos["player"] == 1, 1].sum(axis=(0, 1))
    assert (np.abs(opened / opened.sum() - 1 / 7) < 0.02).all()


def test_a_copied_environment_goes_on_alike_and_by_itself() -> None:
    env = BoardEnv("hex5")
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    moves = [int(np.flatnonzero(env.action_masks())[0])]
    for _ in range(3):
        found = env.step(moves[-1])
        moves.append(int(np.flatnonzero(env.action_masks())[0]))
    for move in moves[:-1]:
        again = twin.step(move)
    assert data_equivalence(found, again, exact=True)


# Opponents.


def test_a_named_opponent_is_the_player_of_that_name() -> None:
    """Minimax completes its row of four where it can; the learner that lets it has lost."""
    vector = gymnasium.make_vec(
        "envs:ConnectFour-v0", num_envs=2, opponent="minimax:3", make_player=make_player, side="first"
    )
    _, infos = vector.reset(seed=0)
    rewards = np.zeros(2)
    while not rewards.any():
        _, rewards, _, _, infos = vector.step(infos["action_mask"].argmax(axis=1))
    assert rewards.min() == -1


def test_a_seed_makes_a_named_opponent_anew_with_all_that_it_remembers() -> None:
    def forgetful(game: Game, name: str) -> Any:
        memory: list[int] = []

        def play(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
            memory.append(len(memory))
            return np.full(len(states), memory[-1] % 7)

        return play

    env = BoardEnv("connect_four", opponent="counting", make_player=forgetful, side="second")
    columns = [np.flatnonzero(env.reset(seed=seed)[0][1].any(axis=0))[0] for seed in (1, None, None, 1, None)]
    assert columns == [0, 1, 2, 0, 1]


def test_options_reach_the_game() -> None:
    assert gymnasium.make("envs:Go9x9-v0", komi=5.5).unwrapped.game == envs.make("go9:komi=5.5")
    assert gymnasium.make("envs:MNK-v0", m=5, n=4, k=4).unwrapped.game == envs.make("mnk:m=5,n=4,k=4")


def test_all_cores_play_the_same_games() -> None:
    with Threaded(envs.make("connect_four"), threads=2) as threaded:
        ours, theirs = BoardVectorEnv("connect_four", 2048), BoardVectorEnv(threaded, 2048)
        assert_alike(ours, theirs, steps=12)


def _illegal(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.zeros(len(states), np.int64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opponent": "minimax:3"}, "pass make_player=agents.players.make_player"),
        ({"opponent": "nobody", "make_player": make_player}, "there is no player 'nobody'"),
        ({"opponent": _illegal, "side": "first"}, "the opponent plays a3, which is illegal after 1 plies"),
        ({"opponent": lambda states, rng: [0.0], "side": "second"}, "the opponent's actions are float64"),
        ({"side": "white"}, "side='white': choose first, second, alternate, random"),
        ({"illegal": "pass"}, "illegal='pass': choose lose or raise"),
        ({"render_mode": "human"}, "render_mode='human'"),
        ({"size": 3}, "tictactoe has no option 'size'"),
    ],
    ids=itertools.count(),
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        _begin(BoardEnv("tictactoe", **settings))
    with pytest.raises(ValueError, match=re.escape(message)):
        _begin(BoardVectorEnv("tictactoe", 1, **settings))


def _begin(env: BoardEnv | BoardVectorEnv) -> None:
    env.reset()
    env.step(0 if isinstance(env, BoardEnv) else np.zeros(1, np.int64))  # type: ignore[arg-type]


def test_other_wrong_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="num_envs=0"):
        BoardVectorEnv("tictactoe", 0)
    with pytest.raises(ValueError, match="takes no options"):
        BoardEnv(envs.make("go9"), komi=5)
    with pytest.raises(ValueError, match="can end with its first move"):
        BoardEnv("mnk:m=3,n=3,k=1")
    with pytest.raises(ValueError, match="no option 'moves'"):
        BoardEnv("tictactoe").reset(options={"moves": []})
    for mask in (np.ones(3, np.bool_), np.ones(2)):
        with pytest.raises(ValueError, match="reset_mask is"):
            BoardVectorEnv("tictactoe", 2).reset(options={"reset_mask": mask})


# What a user sees.


def test_a_vector_environment_draws_every_board() -> None:
    vector = gymnasium.make_vec("envs:TicTacToe-v0", num_envs=2, side="first", render_mode="ansi")
    vector.reset(seed=0)
    game = envs.make("tictactoe")
    assert vector.render() == (game.show(game.reset(1)[0]),) * 2
    assert BoardEnv("tictactoe").render() is None


def test_the_examples_in_the_documentation_run() -> None:
    assert doctest.testfile(str(DOCS), module_relative=False).failed == 0
