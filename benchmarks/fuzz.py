"""Bad input, as much of it as one likes, for everything that reads what a stranger wrote: the Go Text Protocol, the analysis
engine's lines of JSON, and game records (SGF, PGN, lists of moves).

    python -m benchmarks.fuzz gtp --count 100000 --seed 0       # or json, sgf, pgn, moves

Half of the inputs are good ones with a few changes (bytes flipped, cut out, repeated, spliced with another one's), the others
are well formed and mean little (words of the format in any order, fields with each other's values), which gets further. All is
drawn from an input's number and the seed. Each must be answered in a documented way, within seconds, and what comes after it as
if it had not been. It prints how often each answer was given and the slowest input; the first input that
is treated otherwise ends the run, and is printed.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

import numpy as np

from arena.analysis.engine import Analyst
from arena.analysis.query import Query
from arena.gtp.engine import COMMANDS, Engine, serve
from arena.gtp.seat import Seat
from envs.go import Go
from envs.records import GameRecord, moves, pgn, replay, sgf

HANGS = 600  # seconds after which an input counts as a hang: minutes may be a busy machine's
NOISE = [
    b"\x00",
    b"\xff\xfe",
    b"\xc3\x28",
    "\u00b2\u2028é".encode(),
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b" ",
    b"\n",
    b"\t",
]
NOISE += [
    b"[" * 3000,
    b"(;" * 300,
    b"{" * 100,
    b"]",
    b"\\",
    b'"',
    b"'",
    b"#",
    b"%s",
    b"../../etc/passwd",
    b"/dev/zero",
    b"pass",
]

GTP_COMMANDS = [name.encode() for name in COMMANDS if name != "quit"]
GTP_WORDS = (
    b"B5 C3 E5 A1 D4,A2 pass b w black 0 1 5 7 9 2 3 25 -3 6.5 0.5 10 60 true alive dead seki all game.sgf".split()
)
GTP_WORDS += (
    b"avoid allow minmoves maxmoves interval ownership rootInfo none absolute byoyomi chinese aga ko SIMPLE".split()
)
GTP = GTP_COMMANDS + GTP_WORDS
GTP_GOOD = [
    b"boardsize 5",
    b"komi 6.5",
    b"clear_board",
    b"play b C3",
    b"play w D4",
    b"play white pass",
    b"undo",
    b"genmove b",
    b"reg_genmove w",
    b"time_settings 1 1 5",
    b"time_left b 3 2",
    b"kgs-time_settings byoyomi 1 1 5",
    b"final_score",
    b"final_status_list alive",
    b"showboard",
    b"fixed_handicap 2",
    b"place_free_handicap 3",
    b"set_free_handicap A1 B2 C3",
    b"set_position b A1 w B2 b C3",
    b"loadsgf game.sgf 3",
    b"printsgf",
    b"kata-analyze b 5 ownership true allow b A1,B2 1",
    b"lz-analyze interval 5 minmoves 3 avoid w A1 2",
    b"lz-genmove_analyze w",
    b"kata-genmove_analyze b 5 rootInfo true pvVisits true",
    b"kata-raw-nn all",
    b'kata-set-rules {"ko":"SIMPLE","scoring":"AREA"}',
    b"kata-set-rules chinese",
    b"kata-set-rule suicide true",
    b"kgs-rules aga",
    b"known_command play",
]
SGF_GOOD = [
    b"(;GM[1]FF[4]SZ[9]KM[5.5]RU[Chinese]AB[cc][gg]PL[W];W[ee];B[ec];W[](;B[aa])(;B[bb]))",
    b"(;GM[2]SZ[8];B[f5];W[d6])(;GM[4]SZ[15];B[hh];W[hg])",
    b"(;GM[11]SZ[11];B[a1];W[swap-pieces];B[k11];W[resign])",
    b"(;GM[1]SZ[19]HA[2]AB[dd][pp]RE[B+Resign]C[a \\] b];W[qd];B[tt];W[dc])",
]
PGN_GOOD = [
    b'[Event "x"]\n[Result "1-0"]\n\n1. e4 e5 2. Qh5 Nc6 {a} 3. Bc4 (3. d4 d5) Nf6 $1 4. Qxf7# 1-0\n',
    b'[FEN "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1"]\n[SetUp "1"]\n\n1. O-O-O+ Ke7 1/2-1/2\n\n1. d4 *\n',
]
MOVES_GOOD = [
    b"game: go:size=5,komi=0.5\nfirst: Alice\ndate: 2026-11-23\nC3 pass pass 1-0\nC3 C2 B2 *\n",
    b"game: connect_four\n4 4 3 3 2 2 1 1-0\n# no game\ngame: chess\ne4 e5 @12 *\n",
    b"game: hex:size=5\nfirst_stones: A1 B2\nto_play: second\nC3 C4 0-1\n",
]
SGF = b"AB[aa] AE[bb] AW[cc] ;B[cd] ;W[dc] ;B[] ;W[tt] ;B[aa]C[x] KM[0] PL[W] HA[2] RE[B+3] ( ) ;W[ba:cc] VW[] N[a]".split()
PGN = [*b"1. e4 e5 d4 Nf3 Nc6 Bb5 O-O Qxf7 e8=Q 2... $3 {x} ( ) * 1-0 ; [White --".split(), b"\n\n", b'[Result "*"]\n']
MOVES = [
    *b"C3 D4 A1 pass 4 3 e4 e5 @5 1-0 0-1 * swap".split(),
    b"\n",
    b"\ngame: go9\n",
    b"\nto_play: second\n",
    b"\nfirst_stones: A1\n",
]
RECORDS = (
    b"AB[aa] AE[bb] ;B[zz] ;W[cc:ee] GM[3] SZ[19:7] SZ[99999] KM[375] RU[koPOSITIONAL] ( ) ; 1-0 0-1 1/2-1/2 *".split()
)
RECORDS += (
    b"@99 e8=Q {x} (1. d4) $200 game: first_stones: to_play: hex:size=26 openspiel:tic_tac_toe go:size=0 :::".split()
)
JSON_GOOD = [
    json.dumps({"rules": "chinese", "boardXSize": 5, "boardYSize": 5, "maxVisits": 4, **fields}).encode()
    for fields in (
        {"id": "a", "moves": [["B", "C3"], ["W", "pass"]], "analyzeTurns": [0, 2], "includePolicy": True},
        {"id": "b", "moves": [], "initialStones": [["B", "A1"], ["W", "(2,2)"]], "komi": 6.5, "priority": 3},
        {
            "id": "c",
            "moves": [],
            "rules": {"ko": "SIMPLE", "suicide": True},
            "includeOwnership": True,
            "priorities": [1],
        },
        {
            "id": "d",
            "moves": [],
            "avoidMoves": [{"player": "B", "moves": ["A1"], "untilDepth": 1}],
            "includePVVisits": True,
        },
        {"id": "e", "moves": [], "overrideSettings": {"maxTime": 2, "x": 1}, "reportDuringSearchEvery": 0.1},
        {"id": "f", "action": "terminate", "terminateId": "a", "turnNumbers": [0]},
        {"id": "g", "action": "query_version"},
    )
]
JSON = (
    b'null true false 0 -1 0.5 19 1000000 "B" "W" "C3" "Z99" "pass" "" [] {} [[]] "terminate_all" "id" "moves"'.split()
)

REFUSALS = (  # what an engine may say after a question mark
    "bad vertex list",
    "board not empty",
    "cannot load file",
    "cannot undo",
    "illegal move",
    "illegal position",
    "invalid number of stones",
    "invalid status",
    "mcts:2 has no network",
    "no move is left to look at",
    "syntax error",
    "unacceptable komi",
    "unacceptable size",
    "unknown command",
    "unknown rules",
    "unsupported rules",
)

Feed = Callable[[bytes], str]  # gives one input, returns what came of it


class UndocumentedError(Exception):
    """An input was answered as no document says."""


def changed(good: list[bytes], words: list[bytes], rng: np.random.Generator) -> bytes:
    """One of the good inputs with one to four changes."""
    data = good[rng.integers(len(good))]
    for _ in range(rng.integers(1, 5)):
        a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        match int(rng.integers(8)):
            case 0:  # other bytes
                data = data[:a] + rng.bytes(int(rng.integers(1, 5))) + data[a + 1 :]
            case 1:
                data = data[:a] + data[b:]
            case 2:
                data = data[:b] + data[a:b] * int(rng.integers(1, 4)) + data[b:]
            case 3:
                other = good[rng.integers(len(good))]
                data = data[:a] + other[rng.integers(len(other)) :]
            case 4:
                data = data[:a] + NOISE[rng.integers(len(NOISE))] + data[a:]
            case 5:
                data = data[:a] + words[rng.integers(len(words))] + data[b:]
            case _:  # a word in the place of another
                parts = data.split(b" ")
                parts[rng.integers(len(parts))] = words[rng.integers(len(words))]
                data = b" ".join(parts)
    return data


def jumbled(words: list[bytes], between: bytes, rng: np.random.Generator) -> bytes:
    """Some words in any order."""
    return between.join(words[i] for i in rng.integers(len(words), size=rng.integers(1, 12)))


def gtp_input(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.5:
        return changed(GTP_GOOD, GTP, rng)
    words = GTP_GOOD[rng.integers(len(GTP_GOOD))].split()
    other = rng.random(len(words)) < 0.3  # some arguments are others
    arguments = [GTP_WORDS[rng.integers(len(GTP_WORDS))] if o else word for o, word in zip(other, words, strict=True)]
    return b" ".join([words[0], *arguments[1:]])


def json_input(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.5:
        return changed(JSON_GOOD, JSON, rng)
    good = [json.loads(text) for text in JSON_GOOD]
    fields, values = good[rng.integers(len(good))], [value for query in good for value in query.values()]
    for _ in range(rng.integers(1, 4)):
        key = str(rng.choice(list(Query.model_fields)))
        values = [
            *values,
            *map(json.loads, JSON),
            [values[rng.integers(len(values))]],
            {key: values[rng.integers(len(values))]},
        ]
        fields[key] = values[rng.integers(len(values))]
    return json.dumps(fields).encode()


def record_input(good: list[bytes], words: list[bytes], between: bytes) -> Callable[[np.random.Generator], bytes]:
    def draw(rng: np.random.Generator) -> bytes:
        if rng.random() < 0.5:
            return changed(good, [*words, *RECORDS], rng)
        whole = good[rng.integers(len(good))]
        cut = rng.integers(len(whole))
        return whole[:cut] + between + jumbled(words, between, rng) + between + whole[cut:]

    return draw


def gtp() -> Feed:
    """One engine for all of them: its state is whatever has been typed before."""
    engine = Engine(Seat(Go(5), "mcts:2", 0), nodes=100)

    def feed(data: bytes) -> str:
        text, out = data.decode("utf-8", "replace").replace("quit", "quiet"), io.StringIO()
        serve(engine, io.StringIO(text + "\n7 protocol_version\n"), out)
        *answers, last = out.getvalue().removesuffix("\n\n").split("\n\n")
        _expect(last == "=7 2", "no longer answers as it should")
        for answer in answers:
            head, _, said = answer.partition("\n")[0].partition(" ")
            _expect(head[:1] in ("=", "?"), f"no answer of the protocol: {answer[:60]}")
            _expect(head[:1] == "=" or said.startswith(REFUSALS), f"an unknown refusal: {said}")
        refused = [answer.partition(" ")[2].partition(":")[0] for answer in answers if answer.startswith("?")]
        return refused[0] if refused else "answered" if answers else "passed over"

    return feed


def analysis() -> Feed:
    """One analyst for all of them, who is told to stop after a few simulations."""
    answers: list[dict[str, object]] = []
    analyst = Analyst("mcts:4", 0, lambda answer: answers.append(json.loads(json.dumps(answer, allow_nan=False))))

    def feed(data: bytes) -> str:
        answers.clear()
        for line in data.decode("utf-8", "replace").splitlines():
            analyst.take(line)
        for _ in range(3):
            analyst.work()
        analyst.take('{"id": "stop", "action": "terminate_all"}')
        while analyst.busy:
            analyst.work()
        _expect(any(answer.get("id") == "stop" for answer in answers), "no longer answers as it should")
        kinds = ["error " + str(answer.get("field", "")) for answer in answers if "error" in answer]
        return kinds[0] if kinds else "answered"

    return feed


def records(read: Callable[..., object]) -> Feed:
    """Read as a file, and what is read played through the rules."""

    def feed(data: bytes) -> str:
        kinds = []
        for found in read(io.BytesIO(data), "fuzz", None):  # type: ignore[attr-defined]  # every format's `read`
            if not isinstance(found, GameRecord):
                _expect(bool(found.reason) and found.detail.isprintable(), "skipped without a line that says why")
                kinds.append(f"skipped: {found.reason}")
                continue
            try:
                replay(found)
                kinds.append("read")
            except ValueError as error:
                _expect("illegal" in str(error) or "cannot be set up" in str(error), f"replay: {error}")
                kinds.append("read, illegal")
        return kinds[0] if kinds else "nothing"

    return feed


KINDS: dict[str, tuple[Callable[[], Feed], Callable[[np.random.Generator], bytes]]] = {  # how to feed it, and with what
    "gtp": (gtp, gtp_input),
    "json": (analysis, json_input),
    "sgf": (lambda: records(sgf.read), record_input(SGF_GOOD, SGF, b"")),
    "pgn": (lambda: records(pgn.read), record_input(PGN_GOOD, PGN, b" ")),
    "moves": (lambda: records(moves.read), record_input(MOVES_GOOD, MOVES, b" ")),
}


def fuzz(kind: str, count: int, seed: int, first: int = 0) -> tuple[Counter[str], float, bytes]:
    """How often each answer was given to `count` bad inputs from number `first` on, and the seconds of the slowest and that one.

    UndocumentedError, or whatever was raised, with the input as a note, for the first that is not answered as documented.
    """
    start, draw = KINDS[kind]
    feed, seen, slowest, worst = start(), Counter[str](), 0.0, b""
    before = signal.signal(signal.SIGALRM, _hang)
    try:
        for number in range(first, first + count):
            data = draw(np.random.default_rng((seed, number)))
            signal.alarm(HANGS)
            began = time.process_time()
            try:
                seen[feed(data)] += 1
            except BaseException as error:
                error.add_note(f"{kind}, input {number} of seed {seed}: {data!r}")
                raise
            seconds = time.process_time() - began
            slowest, worst = max((slowest, worst), (seconds, data))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return seen, slowest, worst


def _hang(number: int, frame: FrameType | None) -> None:
    raise UndocumentedError(f"no answer in {HANGS} s")


def _expect(documented: bool, otherwise: str) -> None:
    if not documented:
        raise UndocumentedError(otherwise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input: to go on, or to look at one")
    asked = parser.parse_args()
    seen, slowest, worst = fuzz(asked.kind, asked.count, asked.seed, asked.first)
    for answer, times in seen.most_common():
        print(f"{times:>8,}  {answer}")
    print(f"{asked.count:,} bad inputs; the slowest took {slowest:.2f} s of CPU time: {worst[:100]!r}")


if __name__ == "__main__":
    main()
