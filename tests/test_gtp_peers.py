"""Other people's programs talk to our engine: the client library of Sabaki, a GUI, and GNU Go, whose regression style it also
takes: positions from files, a move for each."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from arena.gtp.engine import Engine, serve
from arena.gtp.seat import Seat
from envs import make, random_actions
from envs.go import Go
from envs.records import GameRecord, read, replay, write
from tests.go_boards import COLLECTIONS
from tests.marks import GNUGO, with_gnugo
from tests.test_gtp import Peer

PACKAGES = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "selfplay-arena" / "npm"

# What Sabaki does with an engine: it asks what it is, brings it to positions (by undoing and playing, or from the beginning),
# lets it move, and reads analyses as they come
SABAKI = """
const assert = require('assert')
const {Controller, ControllerStateTracker} = require('@sabaki/gtp')
const [path, ...args] = process.argv.slice(2)

async function main() {
  const controller = new Controller(path, args)
  controller.start()
  const tracker = new ControllerStateTracker(controller)
  for (const name of ['name', 'version', 'protocol_version', 'list_commands']) {
    const {error, content} = await controller.sendCommand({name})
    assert(!error && content.length > 0, name)
  }
  for (const name of ['undo', 'loadsgf', 'set_free_handicap', 'analyze', 'genmove_analyze', 'time_settings']) {
    assert(await tracker.knowsCommand(name), name)
  }
  const play = (color, vertex) => ({name: 'play', args: [color, vertex]})
  const state = history => ({komi: 6.5, boardsize: [9, 9], timeSettings: null, history})
  await tracker.sync(state([play('B', 'E5'), play('W', 'C3'), play('B', 'G7')]))
  await tracker.sync(state([play('B', 'E5'), play('W', 'C3'), play('B', 'C7'), play('W', 'G3')]))  // takes one back
  await tracker.sync(state([play('B', 'A1')]))  // another game
  await tracker.sync(state([{name: 'set_free_handicap', args: ['C3', 'G7']}, play('W', 'E5')]))
  const stones = (await controller.sendCommand({name: 'final_status_list', args: ['alive']})).content.split(/\\s+/)
  assert.deepEqual(stones.sort(), ['C3', 'E5', 'G7'])

  let reports = []
  const analysis = controller.sendCommand({name: 'analyze', args: ['B', '10']}, ({line}) => reports.push(line))
  while (reports.filter(line => line.startsWith('info')).length < 3) await new Promise(done => setTimeout(done, 20))
  const named = controller.sendCommand({name: 'name'})  // ends it
  await analysis
  assert(!(await named).error)
  const info = reports.filter(line => line.startsWith('info')).pop()
  assert(/^info move [A-HJ][1-9] visits \\d+ .*winrate [01]\\.\\d+ .*pv [A-HJ][1-9]/.test(info), info)

  let played = null
  await controller.sendCommand({name: 'genmove_analyze', args: ['B', '10']}, ({line}) => {
    const match = line.match(/^play (.*)$/)
    if (match) played = match[1]
  })
  assert(played, 'no move')
  const {content} = await controller.sendCommand({name: 'genmove', args: ['W']})
  assert.equal(tracker.state.history.length, 4)
  assert.deepEqual(tracker.state.history[3], play('W', content.toUpperCase()))
  assert((await controller.sendCommand({name: 'play', args: ['B', 'E5']})).error)
  await controller.stop()
  console.log('well')
}
main().catch(error => { console.error(error); process.exit(1) })
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """Where Sabaki's client is, installed once a machine; skips where it cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no npm: install Node.js")
    if not (PACKAGES / "node_modules" / "@sabaki" / "gtp").exists():
        PACKAGES.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--prefix", str(PACKAGES), "--no-audit", "--no-fund", "@sabaki/gtp@3.0.0"]
        try:
            subprocess.run(install, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"the npm registry cannot be reached: {error}")
    return PACKAGES


@pytest.mark.peer
def test_sabaki_s_client_plays_and_analyses(packages: Path, tmp_path: Path) -> None:
    script = tmp_path / "sabaki.js"
    script.write_text(SABAKI)
    command = ["node", str(script), sys.executable, "-m", "arena", "gtp", "mcts:60", "--game", "go9"]
    environment = {**os.environ, "NODE_PATH": str(packages / "node_modules")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.stdout == "well\n", done.stderr


def positions(
    records: Iterator[GameRecord], folder: Path, rng: np.random.Generator
) -> list[tuple[str, int, GameRecord]]:
    """Each record as a file of its own, and a move in it before which to stop."""
    found = []
    for number, record in enumerate(records):
        path = folder / f"{number}.sgf"
        write(path, [record])
        found.append((str(path), int(rng.integers(1, len(record.actions) + 2)), record))
    return found


def random_games(count: int, rng: np.random.Generator) -> Iterator[GameRecord]:
    """Some on each of several boards, with and without a handicap, passes included."""
    for number in range(count):
        game = make(
            ("go9", "go5:komi=0.5", "go7:superko=simple", "go9:handicap=3", "go9:rules=tromp-taylor")[number % 5]
        )
        states, actions = game.reset(1), list[int]()
        for _ in range(int(rng.integers(1, 60))):
            if game.terminal(states)[0]:
                break
            actions.append(int(random_actions(game.legal(states), rng)[0]))
            states = game.step(states, np.array(actions[-1:]))
        yield GameRecord(game.name, tuple(actions), to_play=int(game.reset(1)["to_play"][0]))


def regression(found: list[tuple[str, int, GameRecord]]) -> str:
    """A file as GNU Go's regressions are: a position, a numbered question, the answer hoped for as a comment."""
    lines = []
    for number, (path, move, record) in enumerate(found, 1):
        colour = ("black", "white")[(record.to_play + move - 1) % 2]
        lines += [f"loadsgf {path} {move}", f"{number} reg_genmove {colour}", "#? [PASS|C3]*", ""]
    return "\n".join(lines)


def checked(answers: list[str], found: list[tuple[str, int, GameRecord]]) -> None:
    """Every position was loaded, and answered with a move that its rules allow."""
    assert len(answers) == 2 * len(found)
    for number, (path, move, record) in enumerate(found, 1):
        assert answers[2 * number - 2] == "=", (path, answers[2 * number - 2])
        head, _, name = answers[2 * number - 1].partition(" ")
        assert head == f"={number}", (path, answers[2 * number - 1])
        game = make(record.game)
        before = replay(record)[min(move - 1, len(record.actions))]
        if not game.terminal(np.array([before]))[0]:
            assert game.legal(np.array([before]))[0, game.parse_action(name)], (path, move, name)


def test_positions_from_files_are_answered_one_after_another(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found, out = positions(random_games(60, rng), tmp_path, rng), io.StringIO()
    serve(Engine(Seat(Go(9), "mcts:4", 0)), io.StringIO(regression(found)), out)
    checked(out.getvalue().removesuffix("\n\n").split("\n\n"), found)


@pytest.mark.peer
@with_gnugo
def test_gnu_go_sees_the_same_positions_and_allows_our_moves(tmp_path: Path) -> None:
    """Of each: the stones, the captures, and that the move we answer can be played."""
    rng = np.random.default_rng(1)
    found = positions(random_games(100, rng), tmp_path, rng)
    ours, gnugo = (
        Peer(sys.executable, "-m", "arena", "gtp", "mcts:4", "--game", "go9"),
        Peer(GNUGO, "--mode", "gtp", "--level", "1"),
    )
    try:
        for path, move, record in found:
            if "suicide" in record.game:
                continue  # GNU Go allows none
            for peer in (ours, gnugo):
                peer.ask(f"loadsgf {path} {move}")
            stones = {point for colour in ("black", "white") for point in gnugo.ask(f"list_stones {colour}").split()}
            assert set(ours.ask("final_status_list alive").split()) == stones, (path, move)
            colour = ("black", "white")[(record.to_play + move - 1) % 2]
            gnugo.ask(f"play {colour} {ours.ask(f'reg_genmove {colour}')}")
    finally:
        for peer in (ours, gnugo):
            peer.close()


@pytest.mark.peer
@pytest.mark.skipif(not COLLECTIONS.exists(), reason=f"there are no records in {COLLECTIONS}")
def test_many_positions_of_strong_players_are_answered(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    games = (record for record in read(COLLECTIONS / "go9_strong.sgf.gz", "go9") if isinstance(record, GameRecord))
    found = positions(islice(games, 500), tmp_path, rng)
    assert len(found) == 500
    command = [sys.executable, "-m", "arena", "gtp", "champion:8", "--game", "go9"]
    done = subprocess.run(command, input=regression(found), capture_output=True, text=True, timeout=1000, check=True)
    checked(done.stdout.removesuffix("\n\n").split("\n\n"), found)
