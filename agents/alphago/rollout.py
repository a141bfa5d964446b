"""AlphaGo's rollout policy (Silver et al. 2016, Methods and Extended Data Table 4): a linear softmax, learned and played.

p(a | s) = exp(w . x(s, a)) / sum over b of exp(w . x(s, b)), over the moves that are legal and fill no true eye of one's
own. Features x are 0 or 1, for one colour as for the other and in all eight symmetries alike:

| feature | here | the paper |
|---|---|---|
| 3x3 pattern around the move | neighbours with liberties (1, 2, 3 or more), diagonals by colour: 25,454 | all 8: 69,338 |
| response pattern | 12 points around the last move, all with liberties: those that records repeat | 32,207 |
| response: the move has a response pattern | none: the patterns' own weights say it | 1 |
| save from atari | of the chains that the last move put or left in atari | 1 |
| neighbour of the last move | beside it or diagonal to it: 2 | 8 |
| takes the chain just played | by size, 1, 2, 3 or more: 3 | none |
| nakade | vital point of 3 to 6 stones just taken: 4 | 8,192 patterns |

The learning rule is the single neuron's, w' = w + eta (y - y_hat) x, in its softmax form: for each candidate move of a
position, y is 1 for the move played and y_hat the policy's probability. That is softmax (multinomial logistic) regression
by stochastic gradient descent. Weights are independent of the board's size.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field

from agents.alphago.kernels import learning, playouts
from agents.alphago.kernels import moves as features
from agents.alphago.kernels.board import AROUND, DIAMOND, NONE, Offsets, new_board
from agents.evaluators import Evaluation, Evaluator, rollouts
from agents.section import Section
from envs import States
from envs.files import replacing
from envs.go import Go

FORMAT = "arena-rollout-policy-1"
_PATTERN_SHIFTS = (0, 3, 6, 9, 12, 14, 16, 18)  # where the points of AROUND stand in a 3x3 pattern
_PATTERN_MASKS = (7, 7, 7, 7, 3, 3, 3, 3)
_DIAMOND_SHIFTS, _DIAMOND_MASKS = tuple(range(0, 36, 3)), (7,) * 12


class Records(NamedTuple):
    """Games begun by Black on an empty board, the players in turn; passes fill up what sets a handicap."""

    moves: NDArray[np.int16]  # [G, plies] actions, of which the first `lengths` count
    lengths: NDArray[np.int32]  # [G]
    starts: NDArray[np.int32]  # [G] how many of them set the first position up: no examples

    @classmethod
    def of(cls, games: Sequence[Sequence[int]]) -> Records:
        """Games as lists of actions."""
        lengths = np.array([len(game) for game in games], np.int32)
        moves = np.zeros((len(games), max(lengths, default=0)), np.int16)
        for row, game in zip(moves, games, strict=True):
            row[: len(game)] = game
        return cls(moves, lengths, np.zeros(len(games), np.int32))


class Weights(NamedTuple):
    """A rollout policy."""

    pattern: NDArray[np.float32]  # [patterns] of 3x3 patterns, in the order of `pattern_numbers`
    tactical: NDArray[np.float32]  # [TACTICAL]
    response: NDArray[np.float32]  # [R, 12] of a move on each point of a response pattern
    keys: NDArray[np.uint64]  # [R] the response patterns, of each eight the symmetry with the smallest number

    def joined(self) -> NDArray[np.float64]:
        """All of them in one array, as kernels number them."""
        return np.concatenate([self.tactical, self.pattern, self.response.reshape(-1)]).astype(np.float64)


class Tables(NamedTuple):
    """What kernels look patterns up in; they say more."""

    numbers: NDArray[np.int32]  # [2, 2 ** 20] the weight of each 3x3 pattern, for Black and for White to move
    keys: NDArray[np.uint64]  # [K] hash table of response patterns
    response: NDArray[np.int32]  # [K, 12] the weight of a move on each point of a response pattern


class Score(NamedTuple):
    """How well a policy predicts the moves of records, passes left out."""

    examples: int
    top1: float  # share of moves that were the most probable one
    top5: float
    loss: float  # mean -log p, nats, over the moves that the policy does not rule out
    possible: float  # share of these


class LearnSettings(Section):
    """How the rollout policy is learned."""

    epochs: int = Field(8, ge=1, description="passes over the records")
    rate: float = Field(0.02, gt=0, description="eta of the learning rule in the first epoch")
    decay: float = Field(0.6, gt=0, le=1, description="factor on eta after each epoch")
    min_count: int = Field(10, ge=1, description="response patterns seen less often in the records get no weights")


def learn(
    records: Records,
    size: int,
    settings: LearnSettings,
    rng: np.random.Generator,
    *,
    progress: Callable[[int, Score], None] = lambda epoch, score: None,
) -> Weights:
    """The policy that predicts the moves of `records` on boards of `size` by `size`.

    `progress` hears of each epoch, from 1, and how its moves were predicted just before each was learned.
    """
    _check(records, size)
    keys = _frequent_responses(records, size, settings.min_count)
    weights = Weights(
        np.zeros(_patterns(), np.float32),
        np.zeros(features.TACTICAL, np.float32),
        np.zeros((len(keys), len(DIAMOND)), np.float32),
        keys,
    )
    board, tables, values = new_board(size), tables_of(keys), weights.joined()
    for epoch in range(settings.epochs):
        order = rng.permutation(len(records.moves))
        found = learning.learn(*records, order, board, *tables, values, settings.rate * settings.decay**epoch)
        progress(epoch + 1, _score(*found))
    ends = np.cumsum([features.TACTICAL, _patterns()])
    tactical, pattern, response = np.split(values.astype(np.float32), ends)
    return Weights(pattern, tactical, response.reshape(weights.response.shape), keys)


def predict(records: Records, size: int, weights: Weights) -> Score:
    """How well `weights` predict the moves of `records`; the first of equally probable moves counts as the better one."""
    _check(records, size)
    order = np.arange(len(records.moves))
    return _score(*learning.learn(*records, order, new_board(size), *tables_of(weights.keys), weights.joined(), 0.0))


class RolloutPolicy:
    """A policy on the board of one game."""

    def __init__(self, game: Go, weights: Weights) -> None:
        self.game, self.weights = game, weights.joined()
        self.tables = tables_of(weights.keys)
        odds = np.rint(np.exp(self.weights[: self.tables.numbers.max() + 1]) * playouts.SCALE)
        odds = np.append(np.clip(odds, 1, 2**31 - 1), 0).astype(np.int32)  # the last is where NONE points: never
        self.pattern_odds = odds[self.tables.numbers]
        self.factors = np.exp(self.weights).astype(np.float32)

    def rollout(self, states: States, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        """[B] result, for the side to move in `states`, of one playout each: `Game.rollout` with moves of this policy.

        Playouts keep simple ko; one side passes where it has no sensible move. What the last move before `states` took is
        not known, so that its answer has no nakade features.
        """
        return self.play(states, seeds)[0]

    def play(self, states: States, seeds: NDArray[np.uint64]) -> tuple[NDArray[np.float32], int]:
        """What `rollout` returns, and how many moves were made in all."""
        difference = np.empty(len(states), np.int32)
        passed = (states["ply"] > 0) & (states["last"] == NONE)
        made = playouts.rollout(
            self._stones(states),
            np.ascontiguousarray(states["to_play"]),
            np.ascontiguousarray(states["last"], np.int16),
            passed,
            self.game.legal(states),
            seeds,
            new_board(self.game.size),
            playouts.new_odds(self.game.size),
            self.pattern_odds,
            self.tables.keys,
            self.tables.response,
            self.factors,
            difference,
        )
        sign = 1 - 2 * states["to_play"]
        return np.asarray(sign * np.sign(difference - self.game.komi), np.float32), made

    def probabilities(self, states: States) -> NDArray[np.float32]:
        """[B, A] the policy. A pass has probability 1 where no move is sensible, else 0; all zero in finished games."""
        legal = self.game.legal(states)
        out = np.zeros(legal.shape, np.float32)
        colours = (1 - 2 * states["to_play"]).astype(np.int8)
        last = np.ascontiguousarray(states["last"], np.int16)
        board, points = new_board(self.game.size), self.game.size**2
        learning.probabilities_of(
            self._stones(states), colours, last, legal, board, *self.tables, self.weights, out[:, :points]
        )
        out[:, -1] = legal[:, -1] & ~out.any(axis=1)
        return out

    def _stones(self, states: States) -> NDArray[np.int8]:
        return np.ascontiguousarray(self.game.board(states).reshape(len(states), -1))


def policy_rollouts(game: Go, weights: Weights, seed: int, per_state: int = 1) -> Evaluator:
    """Uniform priors; value: the mean result of `per_state` playouts by the rollout policy."""
    return rollouts(game, seed, per_state, playout=RolloutPolicy(game, weights).rollout)


def policy_priors(game: Go, weights: Weights) -> Evaluator:
    """The rollout policy's probabilities as priors, and no opinion of the value: a cheap tree policy."""
    policy = RolloutPolicy(game, weights)

    def evaluate(states: States) -> Evaluation:
        return Evaluation(policy.probabilities(states), np.zeros(len(states), np.float32))

    return evaluate


def save_weights(path: Path, weights: Weights, origin: Mapping[str, str | int | float]) -> None:
    """Write `weights` to `path`, atomically; `origin` says what they were learned from."""
    metadata = {"format": FORMAT, "origin": json.dumps(dict(origin))}
    with replacing(path) as file:
        file.write(safetensors.numpy.save(weights._asdict(), metadata))


def load_weights(path: Path) -> tuple[Weights, dict[str, str | int | float]]:
    """Weights and their origin. ValueError (one line) if `path` holds none that this version knows."""
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged or no file of weights: {error}") from None
    if metadata.get("format") != FORMAT or set(arrays) != set(Weights._fields):
        raise ValueError(f"{path} holds no rollout policy that this version knows (format {metadata.get('format')!r})")
    weights = Weights(**arrays)
    shapes = (_patterns(),), (features.TACTICAL,), (len(weights.keys), len(DIAMOND))
    if tuple(array.shape for array in weights[:3]) != shapes:
        raise ValueError(f"{path}: the rollout policy has other features than this version's; learn it again")
    return weights, json.loads(metadata["origin"])


# Patterns and their numbers


def tables_of(keys: NDArray[np.uint64]) -> Tables:
    """The tables of a policy with response patterns `keys`."""
    first = features.TACTICAL + _patterns()
    places = 2 ** int(np.ceil(np.log2(max(16 * len(keys), 1))))  # eight symmetries each, at most half full
    slots, response = np.full(places, features.NO_KEY), np.zeros((places, len(DIAMOND)), np.int32)
    if len(keys):
        turns = turned_points(DIAMOND)
        turned = np.stack([_turn(keys, turn, _DIAMOND_SHIFTS, _DIAMOND_MASKS) for turn in turns])  # [8, R]
        found, where = np.unique(turned, return_inverse=True)
        points = np.full((len(found), len(DIAMOND)), len(DIAMOND))
        rows = np.zeros(len(found), np.int64)
        for turn, entries in zip(turns, where.reshape(turned.shape), strict=True):
            np.minimum.at(points, entries, np.asarray(turn))  # points that a pattern's own symmetry exchanges share one
            rows[entries] = np.arange(len(keys))
        at = np.empty(len(found), np.int64)
        features.fill_keys(slots, found, at)
        response[at] = first + rows[:, None] * len(DIAMOND) + points
    return Tables(pattern_numbers(), slots, response)


def turned_points(offsets: Offsets) -> list[list[int]]:
    """For each symmetry of the square, the index of the offset that comes to stand where each of `offsets` stood."""
    signs = [(a, b) for a in (1, -1) for b in (1, -1)]
    turned = [[(a * dy, b * dx) for dy, dx in offsets] for a, b in signs]
    turned += [[(a * dx, b * dy) for dy, dx in offsets] for a, b in signs]
    return [[offsets.index(place) for place in places] for places in turned]


def _turn(
    codes: NDArray[np.uint64], turn: Sequence[int], shifts: Sequence[int], masks: Sequence[int]
) -> NDArray[np.uint64]:
    """Patterns under a symmetry: their k-th point becomes what the `turn[k]`-th was."""
    out = np.zeros_like(codes)
    for k, source in enumerate(turn):
        out |= ((codes >> np.uint64(shifts[source])) & np.uint64(masks[k])) << np.uint64(shifts[k])
    return out


@functools.cache
def pattern_numbers() -> NDArray[np.int32]:
    """[2, 2 ** 20] the number of each 3x3 pattern's weight, for Black (0) and for White (1) to move.

    Patterns that a symmetry or the exchange of colours makes equal have one number; -1 stands for those in which the move is
    suicide or fills an own eye, and for those that no board has.
    """
    codes = np.arange(2**features.PATTERN_BITS, dtype=np.uint64)
    points = [
        ((codes >> np.uint64(s)) & np.uint64(m)).astype(np.int8)
        for s, m in zip(_PATTERN_SHIFTS, _PATTERN_MASKS, strict=True)
    ]
    sides, corners = np.stack(points[:4]), np.stack(points[4:])
    walls = np.concatenate([sides == 7, corners == 2])
    edges = np.array([[_beyond(dy, dx, y, x) for dy, dx in AROUND] for y in (-1, 0, 1) for x in (-1, 0, 1)])
    real = (walls[None] == edges[:, :, None]).all(axis=1).any(axis=0)
    numbers = np.full((2, len(codes)), NONE, np.int32)
    suicide = ~((sides == 0) | (sides == 2) | (sides == 3) | (sides == 4)).any(axis=0)
    eye = (((sides >= 1) & (sides <= 3)) | (sides == 7)).all(axis=0)
    eye &= (corners == 3).sum(axis=0) + (corners == 2).any(axis=0) < 2
    sensible = codes[real & ~suicide & ~eye]
    smallest = functools.reduce(
        np.minimum, [_turn(sensible, turn, _PATTERN_SHIFTS, _PATTERN_MASKS) for turn in turned_points(AROUND)]
    )
    numbers[0, sensible] = features.TACTICAL + np.unique(smallest, return_inverse=True)[1]
    other = np.array([0, 4, 5, 6, 1, 2, 3, 7], np.uint64)  # the same states as the other colour sees them
    swapped = np.zeros_like(codes)
    for k, shift in enumerate(_PATTERN_SHIFTS):
        table = other if k < 4 else np.array([0, 3, 2, 1], np.uint64)
        swapped |= table[points[k]] << np.uint64(shift)
    numbers[1] = numbers[0, swapped]
    numbers.setflags(write=False)
    return numbers


def _beyond(dy: int, dx: int, y: int, x: int) -> bool:
    """True where a step leaves the board from a point at its edge (`y`, `x`: -1 first, 0 middle, 1 last row, column)."""
    return dy * y > 0 or dx * x > 0


def _patterns() -> int:
    """How many 3x3 patterns have a weight."""
    return int(pattern_numbers().max()) + 1 - features.TACTICAL


def _frequent_responses(records: Records, size: int, min_count: int) -> NDArray[np.uint64]:
    """Response patterns that `records` have at least `min_count` times, of each the symmetry with the smallest number."""
    seen = np.empty(int(records.lengths.sum()), np.uint64)
    seen = seen[: learning.list_responses(*records, new_board(size), seen)]
    smallest = functools.reduce(
        np.minimum, [_turn(seen, turn, _DIAMOND_SHIFTS, _DIAMOND_MASKS) for turn in turned_points(DIAMOND)]
    )
    keys, counts = np.unique(smallest, return_counts=True)
    return np.asarray(keys[counts >= min_count])


def _score(examples: int, first: int, fifth: int, possible: int, loss: float) -> Score:
    some = max(examples, 1)
    return Score(examples, first / some, fifth / some, loss / max(possible, 1), possible / some)


def _check(records: Records, size: int) -> None:
    """ValueError where a move is none of this board's actions."""
    if records.moves.size and not (records.moves.min() >= 0 and records.moves.max() <= size * size):
        raise ValueError(f"records have the actions of another board: on {size} by {size} they are 0 to {size * size}")
