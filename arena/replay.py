"""What is learned from: samples, packed to bits, in a window that grows with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.search import untyped
from agents.section import Section
from envs import Game, States, TerritoryGame


@dataclass(frozen=True)
class Samples:
    """n positions with their targets; everything for the side to move. Planes and legal actions are packed to bits."""

    planes: NDArray[np.uint8]  # [n, ceil(C * H * W / 8)]
    legal: NDArray[np.uint8]  # [n, ceil(A / 8)]
    policy: NDArray[np.float32]  # [n, A]
    value: NDArray[np.float32]  # [n] in [-1, 1]
    ownership: NDArray[np.int8]  # [n, H * W] 1 own, -1 other, 0 neither; [n, 0] without territory
    score: NDArray[np.float32]  # [n] in board areas; 0 without territory; NaN: neither it nor ownership is known
    reply: NDArray[np.float32]  # [n, A] policy target of the next position, 0 if there is none; [n, 0] if not learned

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Self:
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All rows of all parts, in order."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The columns by name, to save."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, columns: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` returned; older files know no replies."""
        return cls(**{"reply": np.zeros((len(columns["value"]), 0), np.float32), **columns})


class Learned(NamedTuple):
    """What there is to learn from a game: n positions of it, and their targets."""

    states: States  # [n]
    policies: NDArray[np.float32]  # [n, A]
    values: NDArray[np.float32]  # [n]
    # [1] the last position, which territory is learned from. None: the game was not played out, and who would have owned what
    # is not made up.
    final: States | None
    replies: NDArray[np.float32] | None = None  # [n, A] the opponent's policy targets


def make_samples(game: Game, games: Sequence[Learned]) -> Samples:
    """Samples of one game or more, in order; of all of them or of none with replies."""
    states = np.concatenate([untyped(g.states) for g in games]).view(game.dtype)
    n, area = len(states), game.board_shape[0] * game.board_shape[1]
    ownership, score = np.zeros((n, 0), np.int8), np.zeros(n, np.float32)
    if isinstance(game, TerritoryGame):
        ownership, score = _territory(game, games)
        colour = np.int8(1) - np.int8(2) * states["to_play"]
        ownership, score = ownership * colour[:, None], score * colour
    replies = [g.replies for g in games if g.replies is not None]
    return Samples(
        planes=np.packbits(game.observe(states).reshape(n, len(game.planes) * area), axis=1),
        legal=np.packbits(game.legal(states), axis=1),
        policy=np.concatenate([g.policies for g in games]),
        value=np.concatenate([g.values for g in games]),
        ownership=ownership,
        score=score,
        reply=np.concatenate(replies) if replies else np.zeros((n, 0), np.float32),
    )


def _territory(game: TerritoryGame, games: Sequence[Learned]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Who owns what at the end of each position's game [n, H * W], and the score [n], as `Samples`, for the first player."""
    area = game.board_shape[0] * game.board_shape[1]
    ownership, score = np.zeros((len(games), area), np.int8), np.full(len(games), np.nan, np.float32)
    finals = [g.final for g in games if g.final is not None]
    if finals:
        known, ends = [g.final is not None for g in games], np.concatenate(finals)
        ownership[known] = game.ownership(ends).reshape(-1, area)
        score[known] = game.score(ends) / np.float32(area)
    lengths = [len(g.states) for g in games]
    return ownership.repeat(lengths, axis=0), score.repeat(lengths)


class ReplaySettings(Section):
    """How far back learning looks: n samples ever made are windowed as KataGo does it,

    window(n) = minimum * (1 + scale * ((n / minimum) ** exponent - 1) / exponent), all of them while n < minimum.
    """

    minimum: int = Field(20_000, ge=1, description="samples before the window starts to leave some out; KataGo 250,000")
    exponent: float = Field(0.75, gt=0, le=1, description="growth; KataGo 0.75")
    scale: float = Field(0.4, ge=0, le=1, description="share kept of what is added at first; KataGo 0.4")
    maximum: int = Field(500_000, ge=1, description="no window is larger; AlphaGo Zero 500,000 games")

    def window(self, made: int) -> int:
        """Samples in the window after `made` have been made.

        >>> ReplaySettings(minimum=100).window(50), ReplaySettings(minimum=100).window(1000)
        (50, 346)
        """
        if made <= self.minimum:
            return made
        growth = self.scale * ((made / self.minimum) ** self.exponent - 1) / self.exponent
        return min(int(self.minimum * (1 + growth)), self.maximum, made)


class Replay:
    """The window: one `Samples` per iteration, oldest first, whole iterations kept."""

    def __init__(self, settings: ReplaySettings) -> None:
        self.settings = settings
        self.made = 0  # samples ever added
        self.parts: dict[int, Samples] = {}  # by iteration

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts.values())

    def add(self, iteration: int, samples: Samples) -> None:
        """Append an iteration's samples and drop the oldest iterations that the window no longer reaches."""
        self.parts[iteration] = samples
        self.made += len(samples)
        window = self.settings.window(self.made)
        for oldest in sorted(self.parts):
            if len(self) - len(self.parts[oldest]) < window:
                break
            del self.parts[oldest]

    def rows(self) -> Samples:
        """The whole window as one table."""
        return Samples.concatenate([self.parts[i] for i in sorted(self.parts)])

    def planes(self, game: Game, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """[count, C, H, W] observations drawn from the whole window."""
        rows = self.rows()
        packed = rows.planes[rng.integers(len(rows), size=count)]
        shape = (len(game.planes), *game.board_shape)
        return np.unpackbits(packed, axis=1, count=int(np.prod(shape))).reshape(count, *shape)
