"""Positions and games made up by models that learned them from records.

A variational auto-encoder learns boards: the first player's stones and the second's, one coin a point and colour. Codes drawn
from its prior become new boards, codes between those of two boards become the boards between them. How many of them the rules
allow (`legal.py`) says whether it learned that stones have to do with each other: the baseline draws every point by itself, as
often filled as in the records.

GRU and LSTM learn games as sequences of moves (`MoveSequence`), without a board. Given the beginning of a recorded game they
go on, drawing each move; how long their moves stay legal says how much of a board they have worked out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.modules.autoencoder import VariationalAutoEncoder, fit, variational_loss
from agents.modules.recurrent import NO_MOVE, MoveSequence, next_move_loss, pad_games
from arena.alphago.records import group, hashed
from arena.study.boards import draw, draw_stones
from arena.study.legal import Stones, legal_boards
from arena.study.positions import Positions
from arena.study.report import Report, Row, new_figure
from envs import Game

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = Literal["gru", "lstm"]
HELD_OUT = 0.1  # share of the groups of games that nothing is learned from
CODE, HIDDEN, WIDTH = 32, 512, 128  # of the auto-encoder; of the recurrent networks
SAMPLED = 1000  # boards
PREFIX, AHEAD = 10, 40  # moves of a game that are given, and that are added
CONTINUED = 200  # games
LONGEST = 120  # moves of a game that are learned


class Sizes(NamedTuple):
    """How long is learned, in steps of 128 boards or 64 games."""

    boards: int = 2000
    games: int = 800


def board_rows(positions: Positions) -> Tensor:
    """[n, 2 H W] f4: the first player's stones, then the second's."""
    board = positions.game.board(positions.states)
    return torch.from_numpy(np.stack([board > 0, board < 0], axis=1).reshape(len(board), -1)).float()


def held_out_games(positions: Positions) -> NDArray[np.bool_]:
    """[games] those that nothing is learned from: whole groups of days and players."""
    return np.array([hashed(group(record)) < HELD_OUT for record in positions.records])


def learn_boards(game: Game, rows: Tensor, steps: int, seed: int) -> VariationalAutoEncoder:
    """A variational auto-encoder of boards `rows` [n, 2 H W], which it sees turned in every way."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VariationalAutoEncoder(rows.shape[1], CODE, HIDDEN)
    generator = torch.Generator().manual_seed(seed)
    points = torch.from_numpy(game.symmetries.points.astype(np.int64))

    def loss(x: Tensor) -> Tensor:
        turn = points[int(torch.randint(len(points), (), generator=generator))]
        x = x.reshape(len(x), 2, -1)[:, :, turn].flatten(1)
        return variational_loss(model(x, generator), x)

    fit(loss, model.parameters(), rows, steps=steps, lr=1e-3, generator=generator)
    return model.eval()


def as_stones(game: Game, probabilities: Tensor) -> Stones:
    """[n, 2, H, W] the likeliest board of each row of `probabilities` [n, 2 H W]: stones that are more likely than not."""
    return np.asarray((probabilities > 0.5).reshape(-1, 2, *game.board_shape).numpy())


def independent(game: Game, rows: Tensor, n: int, rng: np.random.Generator) -> Stones:
    """[n, 2, H, W] boards whose points are drawn one by one, as often black, white and empty as in `rows`."""
    first, second = rows.mean(dim=0).reshape(2, -1).numpy()
    draws = rng.random((n, len(first)))
    found = np.stack([draws < first, (draws >= first) & (draws < first + second)], axis=1)
    return np.asarray(found.reshape(n, 2, *game.board_shape))


def learn_games(game: Game, games: Sequence[Sequence[int]], cell: Cell, steps: int, seed: int) -> MoveSequence:
    """A recurrent network that learned what is played next in `games`, each seen turned in every way."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MoveSequence(game.num_actions, WIDTH, cell=cell)
    generator = torch.Generator().manual_seed(seed)
    # Symmetry s takes what was action actions[s][i] to i, so a move is looked up in the inverse; the last entry is NO_MOVE.
    inverse = torch.from_numpy(np.argsort(game.symmetries.actions, axis=1))
    table = torch.cat([inverse, torch.full((len(inverse), 1), NO_MOVE)], dim=1)

    def loss(moves: Tensor) -> Tensor:
        moves = moves[:, : int((moves != NO_MOVE).sum(dim=1).max())]
        moves = table[int(torch.randint(len(table), (), generator=generator))][moves]
        return next_move_loss(model(moves), moves)

    fit(loss, model.parameters(), pad_games(games), steps=steps, batch=64, generator=generator)
    return model.eval()


def beside_own(stones: Stones) -> float:
    """The share of all stones of boards [n, 2, H, W] that have a neighbour of their own colour.

    >>> board = np.zeros((1, 2, 3, 3), bool)
    >>> board[0, 0, 0, :2] = board[0, 1, 2, 2] = board[0, 1, 0, 2] = True  # two beside each other, two alone
    >>> beside_own(board)
    0.5
    """
    own = np.pad(stones, ((0, 0), (0, 0), (1, 1), (1, 1)))
    beside = own[:, :, 2:, 1:-1] | own[:, :, :-2, 1:-1] | own[:, :, 1:-1, 2:] | own[:, :, 1:-1, :-2]
    return float((stones & beside).sum() / max(1, stones.sum()))


class Foretold(NamedTuple):
    """How well a recurrent network knows games that it did not learn."""

    top1: float  # share of the moves that were its first choice
    nats: float  # cross-entropy a move
    legal: float  # probability that a move drawn from it is legal, mean over all moves


@torch.inference_mode()
def foretell(game: Game, model: MoveSequence, games: Sequence[Sequence[int]]) -> Foretold:
    """Hold the network's expectations against `games`."""
    moves = pad_games(games)
    policy = torch.log_softmax(model(moves)[:, :-1], dim=2)
    known = moves != NO_MOVE
    states = game.reset(len(games))
    inside = []
    for t in range(moves.shape[1]):
        rows = np.flatnonzero(known[:, t].numpy())
        legal = torch.from_numpy(game.legal(states[rows]))
        inside.append((policy[rows, t].exp() * legal).sum(dim=1))
        states[rows] = game.step(states[rows], moves[rows, t].numpy())
    nats = -policy.gather(2, moves.clamp(min=0)[:, :, None])[:, :, 0][known]
    top1 = (policy.argmax(dim=2) == moves)[known].float()
    return Foretold(float(top1.mean()), float(nats.mean()), float(torch.cat(inside).mean()))


@torch.inference_mode()
def continue_games(
    game: Game, model: MoveSequence, games: Sequence[Sequence[int]], ahead: int, generator: torch.Generator
) -> list[list[int]]:
    """The moves that follow each of `games`, which are equally long: drawn until one is illegal, which is left out, or `ahead`.

    A game that ends is not continued.
    """
    states = game.reset(len(games))
    for action in np.array(games).T:
        states = game.step(states, action)
    logits, memory = model.step(torch.nn.functional.pad(torch.tensor(games), (1, 0), value=NO_MOVE), None)
    added: list[list[int]] = [[] for _ in games]
    going = ~game.terminal(states)
    for _ in range(ahead):
        drawn = torch.multinomial(torch.softmax(logits[:, -1], dim=1), 1, generator=generator)
        actions = drawn[:, 0].numpy()
        going &= game.legal(states)[np.arange(len(games)), actions]
        rows = np.flatnonzero(going)
        if not len(rows):
            break
        states[rows] = game.step(states[rows], actions[rows])
        for row in rows:
            added[row].append(int(actions[row]))
        going &= ~game.terminal(states)
        logits, memory = model.step(drawn, memory)
    return added


def study(positions: Positions, report: Report, sizes: Sizes, *, seed: int) -> None:
    """Learn boards and games of the records, make up new ones, and hold them against the rules."""
    _boards_theme(positions, report, sizes.boards, seed)
    _games_theme(positions, report, sizes.games, seed)


def _boards_theme(positions: Positions, report: Report, steps: int, seed: int) -> None:
    game, rng = positions.game, np.random.default_rng(seed)
    held = held_out_games(positions)[positions.number]
    rows = board_rows(positions)
    train, test = rows[torch.from_numpy(~held)], rows[torch.from_numpy(held)]
    if not len(test) or not len(train):
        raise ValueError("too few games to keep some of them out of learning: give more records")
    report.note(f"an auto-encoder learns {len(train):,} boards, {len(test):,} held out")
    model = learn_boards(game, train, steps, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        bound = -float(variational_loss(model(test, generator), test).mean())
        again = torch.sigmoid(model.decode(model.encode(test[:SAMPLED])[0]))
    probabilities = model.sample(SAMPLED, generator)
    seen = {row.tobytes() for row in train.numpy().astype(np.bool_)}
    made = {
        "recorded boards, held out": as_stones(game, test[:SAMPLED]),
        "the same, through the auto-encoder": as_stones(game, again),
        "sampled from the auto-encoder": as_stones(game, probabilities),
        "every point drawn by itself": independent(game, train, SAMPLED, rng),
    }
    table: list[Row] = []
    for name, stones in made.items():
        legal = legal_boards(game, stones)
        copies = [board.reshape(-1).tobytes() in seen for board in stones]
        table.append(
            {
                "boards": name,
                "legal": float(legal.mean()),
                "stones": float(stones.sum(axis=(1, 2, 3)).mean()),
                "beside own": beside_own(stones),
                "already recorded": float(np.mean(copies)),
            }
        )
    legal_rate = float(legal_boards(game, made["sampled from the auto-encoder"]).mean())
    report.figures({"generate/legal_boards": legal_rate, "generate/bound": bound})
    report.picture(
        "samples",
        _stones_figure(game, probabilities[:10].reshape(-1, 2, *game.board_shape).numpy(), columns=5),
        "Boards that the auto-encoder made up",
        "Ten codes drawn from the prior, none chosen. A pale stone is one that the decoder is unsure of.",
    )
    report.table(
        "boards",
        table,
        "Do the rules allow them?",
        f"{SAMPLED:,} boards of each kind (of recorded ones as many as there are). Legal: share that the rules allow. Stones: "
        "mean number. Beside own: share of the stones with a neighbour of their own colour. The evidence lower bound on held-out "
        f"boards is {bound:.1f} nats a board.",
    )
    report.picture(
        "between",
        _between(game, model, test, rng),
        "From one board to another",
        "Each row goes from one recorded board (left) to another (right), by the straight way between their codes.",
    )


def _games_theme(positions: Positions, report: Report, steps: int, seed: int) -> None:
    game = positions.game
    held = held_out_games(positions)
    lines = [record.actions[:LONGEST] for record in positions.records]
    train = [line for line, out in zip(lines, held, strict=True) if not out]
    test = [line for line, out in zip(lines, held, strict=True) if out and len(line) > PREFIX][:CONTINUED]
    if not test:
        raise ValueError(f"no held-out game is longer than {PREFIX} moves: give more records")
    table: list[Row] = []
    lasting, continued = {}, {}
    for cell in get_args(Cell):
        report.note(f"{cell.upper()}: {len(train):,} games")
        model = learn_games(game, train, cell, steps, seed)
        known = foretell(game, model, test)
        generator = torch.Generator().manual_seed(seed)
        added = continue_games(game, model, [line[:PREFIX] for line in test], AHEAD, generator)
        lengths = np.array([len(moves) for moves in added])
        over = game_over(game, [[*line[:PREFIX], *moves] for line, moves in zip(test, added, strict=True)])
        lasting[cell.upper()] = [float(((lengths >= k) | over).mean()) for k in range(AHEAD + 1)]
        continued[cell] = added
        table.append(
            {
                "network": cell.upper(),
                "top 1": known.top1,
                "nats": known.nats,
                "legal": known.legal,
                "legal moves added": float(lengths.mean()),
            }
        )
        report.figures({f"generate/next_move_top1/{cell}": known.top1, f"generate/legal_moves/{cell}": known.legal})
    report.table(
        "games",
        table,
        "Networks that read moves and see no board",
        f"{len(test):,} held-out games. Top 1: moves that were the first choice. Nats: cross-entropy a move. Legal: probability "
        f"that a drawn move is legal. Legal moves added: mean over games continued after move {PREFIX}, at most {AHEAD}.",
    )
    figure = new_figure(6, 3.4)
    axis = figure.subplots()
    for name, shares in lasting.items():
        axis.plot(range(AHEAD + 1), shares, label=name)
    axis.set(xlabel=f"moves added after move {PREFIX}", ylabel="games legal so far, share", ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend()
    report.picture("lasting", figure, "How long the games stay legal", "Games that came to their end count as legal.")
    report.picture(
        "continued",
        _continued(game, test, continued["gru"]),
        "Games continued by the GRU",
        f"Left the recorded game after {PREFIX} moves, in the middle as the network went on, right as the players did.",
    )


def game_over(game: Game, lines: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """[games] whether each line of legal moves is a whole game."""
    states = game.reset(len(lines))
    for t in range(max(map(len, lines))):
        rows = np.array([i for i, line in enumerate(lines) if len(line) > t])
        states[rows] = game.step(states[rows], np.array([lines[i][t] for i in rows]))
    return game.terminal(states)


def _stones_figure(game: Game, boards: NDArray[np.float32], columns: int) -> Figure:
    h, w = game.board_shape
    lines = -(-len(boards) // columns)
    figure = new_figure(2.3 * columns, 2.35 * lines * h / w)
    for axis, board in zip(figure.subplots(lines, columns, squeeze=False).reshape(-1), boards, strict=False):
        draw_stones(axis, game, board[0], board[1])
    return figure


@torch.inference_mode()
def _between(game: Game, model: VariationalAutoEncoder, test: Tensor, rng: np.random.Generator) -> Figure:
    """Three pairs of boards with about as many stones, and five boards between each."""
    order = test.sum(dim=1).argsort()
    boards = []
    for share in (0.2, 0.5, 0.8):
        at = int(share * (len(order) - 1))
        window = order[max(0, at - 40) : at + 40].numpy()
        pair = test[rng.permutation(window)[:2]] if len(window) > 1 else test[[0, 0]]
        a, b = model.encode(pair)[0]
        codes = torch.stack([a + (b - a) * i / 4 for i in range(5)])
        boards += [pair[:1], torch.sigmoid(model.decode(codes)), pair[1:]]
    return _stones_figure(game, torch.cat(boards).reshape(-1, 2, *game.board_shape).numpy(), columns=7)


def _continued(game: Game, games: Sequence[Sequence[int]], added: Sequence[Sequence[int]]) -> Figure:
    """Three games: as given, as continued, as played."""
    longest = sorted(range(len(games)), key=lambda i: -len(added[i]))
    chosen = [longest[int(share * (len(longest) - 1))] for share in (0.0, 0.25, 0.5)]
    h, w = game.board_shape
    figure = new_figure(8.4, 2.9 * len(chosen) * h / w)
    for line, i in zip(figure.subplots(len(chosen), 3, squeeze=False), chosen, strict=True):
        more = len(added[i])
        start = games[i][:PREFIX]
        shown = [
            (f"after {PREFIX} moves", start),
            (f"{more} moves by the network", [*start, *added[i]]),
            (f"{more} moves by the players", games[i][: PREFIX + more]),
        ]
        for axis, (title, moves) in zip(line, shown, strict=True):
            states = game.reset(1)
            for action in moves:
                states = game.step(states, np.array([action]))
            draw(axis, game, states[0])
            axis.set_title(title, fontsize=9)
    return figure
