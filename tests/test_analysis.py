"""The analysis engine: a real process, driven as a GUI does, and its parts with a time source of their own."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from agents.insight import Insight, Said
from arena.analysis.engine import Analyst
from arena.kata.found import found
from arena.look import searcher
from envs import States
from envs.go import Go

Answer = dict[str, Any]
HANDICAP = ("C3", "G7", "C7", "G3", "E5")
BOARD = {"rules": "tromp-taylor", "boardXSize": 5, "boardYSize": 5, "komi": 0.5}


class Desk:
    """An analyst, what it wrote, and the time it believes it is."""

    def __init__(self, player: str = "mcts:30", parallel: int = 16) -> None:
        self.answers: list[Answer] = []
        self.time = 0.0
        self.analyst = Analyst(player, 0, self._hear, parallel=parallel, now=lambda: self.time)

    def ask(self, *queries: object) -> list[Answer]:
        """What is answered until all is done."""
        self.answers.clear()
        for query in queries:
            self.analyst.take(query if isinstance(query, str) else json.dumps(query))
        while self.analyst.busy:
            self.time += 0.25
            self.analyst.work()
        return [dict(answer) for answer in self.answers]

    def _hear(self, answer: Answer) -> None:
        self.answers.append(json.loads(json.dumps(answer)))


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


def query(**fields: object) -> dict[str, object]:
    return {"id": "q", "moves": [], **BOARD, **fields}


def test_a_process_answers_a_script_and_ends_with_its_input() -> None:
    """One process, one conversation: turns, territory, an error, actions; every turn ends in one answer."""
    nine = {"rules": "chinese", "boardXSize": 9, "boardYSize": 9, "komi": 7, "maxVisits": 40}
    lines = [
        {"id": "game", "moves": [["B", "E5"], ["W", "C3"]], "analyzeTurns": [0, 1, 2], "includePolicy": True, **nine},
        {"id": "stones", "moves": [], "initialStones": [["B", p] for p in HANDICAP], "includeOwnership": True, **nine},
        {"id": "bad", "moves": [["B", "E5"], ["W", "E5"]], **nine},
        {"id": "who", "action": "query_version"},
    ]
    told = "\n".join([*map(json.dumps, lines), "{no json", "\xff"]) + "\n"
    command = [sys.executable, "-m", "arena", "analysis", "champion"]
    done = subprocess.run(command, input=told.encode("latin-1"), stdout=subprocess.PIPE, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    by_id: dict[str, list[Answer]] = {}
    for answer in answers:
        by_id.setdefault(answer.get("id", ""), []).append(answer)
    assert sorted(answer["turnNumber"] for answer in by_id["game"]) == [0, 1, 2]
    for answer in by_id["game"]:
        assert len(answer["policy"]) == 82
        assert sum(p for p in answer["policy"] if p > 0) == pytest.approx(1, abs=1e-3)
        assert answer["moveInfos"][0]["order"] == 0
        assert answer["rootInfo"]["visits"] == sum(move["visits"] for move in answer["moveInfos"])
        assert answer["rootInfo"]["scoreLead"] == pytest.approx(answer["moveInfos"][0]["scoreLead"], abs=15)
    (stones,) = by_id["stones"]
    assert stones["rootInfo"]["currentPlayer"] == "W"  # after black stones alone
    assert stones["rootInfo"]["winrate"] > 0.5  # five stones ahead, as Black sees it
    assert len(stones["ownership"]) == 81
    assert stones["ownership"][6 * 9 + 2] > 0  # C3
    assert by_id["bad"] == [{"error": "Illegal move 1: E5", "field": "moves", "id": "bad"}]
    assert by_id["who"][0]["version"]
    assert [answer["error"][:30] for answer in by_id[""]] == ["Could not parse input line as "] * 2


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"id": 3}, "id"),
        ({"moves": [["B", "Z9"]]}, "moves"),
        ({"moves": [["X", "A1"]]}, "moves"),
        ({"moves": "A1"}, "moves"),
        ({"rules": "martian"}, "rules"),
        ({"rules": 7}, "rules"),
        ({"boardYSize": 6}, "boardYSize"),
        ({"boardXSize": 50}, "boardXSize"),
        ({"komi": "much"}, "komi"),
        ({"komi": 1000}, "komi"),
        ({"analyzeTurns": [1]}, "analyzeTurns"),
        ({"analyzeTurns": [0, 0]}, "analyzeTurns"),
        ({"maxVisits": 0}, "maxVisits"),
        ({"maxVisits": True}, "maxVisits"),
        ({"priorities": [1, 2]}, "priorities"),
        ({"initialStones": [["B", "A1"], ["W", "A1"]]}, "initialStones"),
        ({"initialStones": [["W", "A1"], ["B", "A2"], ["B", "B1"]]}, "initialStones"),
        ({"initialStones": [["W", "pass"]]}, "initialStones"),
        ({"initialPlayer": "green"}, "initialPlayer"),
        ({"allowMoves": [{"player": "B", "moves": [], "untilDepth": 1}]}, "allowMoves"),
        ({"overrideSettings": {"maxTime": "soon"}}, "overrideSettings"),
        ({"overrideSettings": {"reportAnalysisWinratesAs": "GREEN"}}, "overrideSettings"),
        ({"whiteHandicapBonus": "2N"}, "whiteHandicapBonus"),
        ({"action": "dance"}, "action"),
        ({"action": "terminate"}, "terminateId"),
    ],
)
def test_a_wrong_query_gets_an_error_that_names_the_field(desk: Desk, wrong: dict[str, object], field: str) -> None:
    answers = desk.ask(query(**wrong), query(id="next", maxVisits=2))
    error = answers[-2]
    assert error["field"] == field
    assert error["error"]
    assert error.get("id") == ("q" if field != "id" else None)
    assert answers[-1]["id"] == "next"


@pytest.mark.parametrize("line", ["", "[]", "7", "nan", '{"id": NaN}', '{"id": "a", "komi": 1e999}', "[" * 100_000])
def test_what_is_no_query_gets_an_error(desk: Desk, line: str) -> None:
    (answer,) = desk.ask(line)
    assert answer["error"]


def test_values_are_black_s_unless_asked_otherwise(desk: Desk) -> None:
    """The same search seen from three sides."""
    views = {}
    for side in ("BLACK", "WHITE", "SIDETOMOVE"):
        stones = [["B", point] for point in ("B2", "B4", "D2", "D4")]
        asked = query(initialStones=stones, initialPlayer="W", overrideSettings={"reportAnalysisWinratesAs": side})
        (views[side],) = Desk().ask(asked)
    black, white, mover = (views[side]["rootInfo"]["winrate"] for side in ("BLACK", "WHITE", "SIDETOMOVE"))
    assert black > 0.6
    assert white == mover == pytest.approx(1 - black, abs=1e-5)
    best = views["BLACK"]["moveInfos"][0]
    assert best["lcb"] >= best["winrate"]  # White's lower bound is Black's upper one


def test_turns_are_searched_side_by_side_and_the_urgent_first() -> None:
    desk = Desk(parallel=2)
    moves = [["B", "C3"], ["W", "B2"], ["B", "D4"], ["W", "B4"]]
    answers = desk.ask(
        query(id="slow", moves=moves, analyzeTurns=[0, 1, 2, 3, 4], maxVisits=20),
        query(id="urgent", moves=moves, priority=5, maxVisits=20),
    )
    assert len(answers) == 6
    assert "urgent" in {answer["id"] for answer in answers[:2]}
    assert {answer["rootInfo"]["visits"] for answer in answers} == {20}


def test_a_pass_that_decides_the_game_is_reported_unless_it_is_not_asked_about(desk: Desk) -> None:
    """There were no results, since nothing was visited."""
    asked = {"moves": [["B", "C3"], ["W", "pass"]], "maxVisits": 20}
    (answer,) = desk.ask(query(**asked))
    assert [(move["move"], move["winrate"]) for move in answer["moveInfos"]] == [("pass", 1.0)]
    (answer,) = desk.ask(query(**asked, avoidMoves=[{"player": "B", "moves": ["pass"], "untilDepth": 1}]))
    assert answer["rootInfo"]["visits"] == 20
    assert "pass" not in {move["move"] for move in answer["moveInfos"]}


def test_passing_twice_does_not_end_an_analysis(desk: Desk) -> None:
    (answer,) = desk.ask(query(moves=[["B", "pass"], ["W", "pass"]], maxVisits=5))
    assert answer["moveInfos"]


def test_some_moves_can_be_left_out(desk: Desk) -> None:
    avoid = [{"player": "B", "moves": ["C3", "pass"], "untilDepth": 1}]
    allow = [{"player": "B", "moves": ["A1", "(4,4)"], "untilDepth": 1}]
    (first,) = desk.ask(query(avoidMoves=avoid, maxVisits=60))
    (second,) = desk.ask(query(allowMoves=allow, maxVisits=60, includePVVisits=True))
    assert not {"C3", "pass"} & {move["move"] for move in first["moveInfos"]}
    assert (
        sum(move["visits"] for move in first["moveInfos"]) == first["rootInfo"]["visits"]
    )  # nor has the search looked there
    assert {move["move"] for move in second["moveInfos"]} == {"A1", "E1"}
    for move in second["moveInfos"]:
        assert len(move["pv"]) == len(move["pvVisits"])
        assert move["pvVisits"][0] == move["visits"]


def test_what_cannot_be_had_is_warned_of_and_the_rest_is_done(desk: Desk) -> None:
    fields = {"rules": "japanese", "includeOwnership": True, "overrideSettings": {"wideRootNoise": 1}, "colour": "red"}
    *warnings, answer = desk.ask(query(maxVisits=3, **fields))
    assert {warning["field"] for warning in warnings} == {"rules", "includeOwnership", "overrideSettings", "colour"}
    assert "ownership" not in answer
    assert answer["moveInfos"]


def test_a_handicap_is_paid_for_as_the_rules_say(desk: Desk) -> None:
    """On a full board the score is known: the points for White's compensation decide."""
    stones = [["B", f"{column}{row}"] for column in "ABC" for row in range(1, 6) if (column, row) != ("B", 3)]
    winners = {}
    for bonus in ("0", "N"):
        asked = query(initialStones=stones, initialPlayer="W", komi=12, whiteHandicapBonus=bonus, maxVisits=200)
        (answer,) = desk.ask(asked)
        winners[bonus] = answer["rootInfo"]["winrate"]
    assert winners["0"] > winners["N"]


def test_reports_come_while_a_search_runs_and_it_ends_in_time(desk: Desk) -> None:
    answers = desk.ask(query(maxVisits=5000, reportDuringSearchEvery=1, overrideSettings={"maxTime": 5}))
    assert [answer["isDuringSearch"] for answer in answers] == [True] * 4 + [False]
    visits = [answer["rootInfo"]["visits"] for answer in answers]
    assert visits == sorted(visits)
    assert visits[-1] < 5000


def test_searches_are_terminated() -> None:
    desk = Desk(parallel=1)
    game = query(id="long", moves=[["B", "C3"]], analyzeTurns=[0, 1], maxVisits=100_000)
    desk.analyst.take(json.dumps(game))
    desk.analyst.work()
    desk.analyst.work()
    desk.analyst.take(json.dumps({"id": "x", "action": "terminate", "terminateId": "long", "turnNumbers": [1]}))
    assert desk.answers[-1] == {"id": "long", "turnNumber": 1, "isDuringSearch": False, "noResults": True}
    assert desk.answers[-2]["action"] == "terminate"
    for answer in desk.ask({"id": "y", "action": "terminate_all"}, {"id": "z", "action": "clear_cache"}):
        assert "error" not in answer
    assert desk.answers[-1]["moveInfos"]
    assert not desk.answers[-1]["isDuringSearch"]


def test_positions_that_are_mirror_images_have_one_symmetric_hash(desk: Desk) -> None:
    roots = [desk.ask(query(moves=[["B", move]], maxVisits=2))[0]["rootInfo"] for move in ("B2", "D4", "C2")]
    assert roots[0]["symHash"] == roots[1]["symHash"] != roots[2]["symHash"]
    assert len({root["thisHash"] for root in roots}) == 3


def test_a_player_without_a_search_is_refused() -> None:
    (answer,) = Desk(player="random").ask(query())
    assert "does not search" in answer["error"]


def test_ka_train_finds_what_it_reads() -> None:
    """Its query, field by field as its engine.py sends it, and the fields that its game tree takes without asking."""
    *others, answer = Desk("champion").ask(ka_train(rules="japanese", maxVisits=50))
    assert {other["field"] for other in others if "warning" in other} == {"rules", "overrideSettings"}
    assert len(answer["policy"]) == 82
    assert len(answer["ownership"]) == 81
    for said in (answer["rootInfo"], *answer["moveInfos"]):
        assert {"scoreLead", "winrate", "visits"} <= said.keys()
    for order, move in enumerate(answer["moveInfos"]):
        assert move["order"] == order
        assert move["pv"][0] == move["move"]
        assert len(move["ownership"]) == 81


def ka_train(**fields: object) -> dict[str, object]:
    """A query as KaTrain 1.20.0 sends it once two moves are played."""
    settings = {"reportAnalysisWinratesAs": "BLACK", "wideRootNoise": 0.04, "maxTime": 8.0}
    return {
        "rules": "chinese",
        "priority": 1001,
        "analyzeTurns": [2],
        "maxVisits": 500,
        "komi": 6.5,
        "boardXSize": 9,
        "boardYSize": 9,
        "includeOwnership": True,
        "includeMovesOwnership": True,
        "includePolicy": True,
        "initialStones": [],
        "initialPlayer": "B",
        "moves": [["B", "E5"], ["W", "C3"]],
        "overrideSettings": settings,
        "reportDuringSearchEvery": 1,
        "id": "QUERY:1",
        **fields,
    }


@pytest.fixture(scope="module")
def nine() -> Desk:
    """Quick, and on KaTrain's board."""
    return Desk("mcts:5")


@pytest.mark.parametrize(
    "rules",
    ["japanese", "chinese", "korean", "aga", "tromp-taylor", "new zealand", "stone_scoring", {"scoring": "AREA"}],
)
def test_ka_train_s_rules_are_known(nine: Desk, rules: object) -> None:
    assert nine.ask(ka_train(rules=rules, maxVisits=2))[-1]["moveInfos"]


def test_ka_train_asks_for_other_moves_in_a_region_and_for_a_sweep(nine: Desk) -> None:
    """Moves that are known, all moves out of a box for both sides, and a move more than the game has, without a time."""
    black, white = ({"moves": ["E5", "D5", "pass"], "player": side, "untilDepth": 1} for side in "BW")
    unlimited = {"reportAnalysisWinratesAs": "BLACK", "wideRootNoise": 0.04}
    asked = [
        ka_train(id="box", avoidMoves=[black, white], overrideSettings=unlimited, maxVisits=90),
        ka_train(id="sweep", moves=[["B", "E5"], ["W", "C3"], ["B", "pass"]], analyzeTurns=[3], includeOwnership=False),
        ka_train(
            id="stones",
            initialStones=[["B", "C3"], ["B", "G7"]],
            initialPlayer="W",
            moves=[["W", "E5"]],
            analyzeTurns=[1],
        ),
    ]
    found = {answer["id"]: answer for answer in nine.ask(*asked) if "moveInfos" in answer}
    assert found.keys() == {"box", "sweep", "stones"}
    assert not {"D5", "pass"} & {move["move"] for move in found["box"]["moveInfos"]}
    assert found["sweep"]["rootInfo"]["currentPlayer"] == "W"


def test_ka_train_s_endless_analysis_begins_small_and_ends_when_it_is_told_to() -> None:
    """The space bar: ten million visits, reported four times a second, until another position is looked at."""
    desk, statm = Desk("champion"), Path("/proc/self/statm")
    pages = [int(statm.read_text().split()[1])] if statm.exists() else []
    desk.analyst.take(json.dumps(ka_train(maxVisits=10_000_000, reportDuringSearchEvery=0.25, includePVVisits=True)))
    for _ in range(20):
        desk.time += 0.25
        desk.analyst.work()
    assert desk.answers[-1]["isDuringSearch"]
    if pages:
        assert (int(statm.read_text().split()[1]) - pages[0]) * 4096 < 300 << 20
    (ended,) = (
        a for a in desk.ask({"id": "QUERY:2", "action": "terminate", "terminateId": "QUERY:1"}) if "turnNumber" in a
    )
    assert not ended["isDuringSearch"]
    assert ended["moveInfos"]


def test_ka_train_s_human_like_play_is_refused_and_not_pretended(nine: Desk) -> None:
    """An error makes it play the policy's move; an answer without `humanPolicy` makes it ask again without an end."""
    settings = {"humanSLProfile": "rank_8k", "ignorePreRootHistory": False}
    (answer,) = nine.ask(ka_train(overrideSettings=settings))
    assert answer["field"] == "overrideSettings"
    assert "humanSLProfile" in answer["error"]


def test_a_board_that_is_not_played_on_is_refused_before_its_kernels_are_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """KaTrain begins with 19x19: the champion's answer to it should not take seconds."""
    for method in ("position", "legal", "step"):
        monkeypatch.setattr(Go, method, None)
    (error,) = Desk("champion").ask(ka_train(boardXSize=19, boardYSize=19))
    assert error["field"] == "boardXSize"
    assert "no champion of go:size=19" in error["error"]


def test_a_search_that_is_slow_to_begin_answers_all_the_same() -> None:
    """The first query of a new installation: kernels are compiled for longer than `maxTime`."""
    answers: list[Answer] = []
    clock = itertools.count(0, 100)
    analyst = Analyst("mcts:30", 0, answers.append, now=lambda: next(clock))
    analyst.take(json.dumps(query(overrideSettings={"maxTime": 8})))
    while analyst.busy:
        analyst.work()
    assert answers[-1]["moveInfos"]


class Flattering:
    """A network that knows all: Black owns the board and leads by ten. But it adds three points for whoever is to move."""

    sees_territory = True

    def __call__(self, states: States) -> Said:
        sign = 1 - 2 * states["to_play"].astype(np.float32)
        ownership = np.ones((len(states), 5, 5), np.float32) * sign[:, None, None]
        return Said(np.zeros(0, np.float32), np.zeros(0, np.float32), ownership, 10 * sign + 3)


def test_what_a_network_adds_for_the_side_to_move_cancels_out() -> None:
    game = Go(5, 0.5)
    for to_play in (0, 1):
        player = searcher(game, "mcts:400", 0)
        search = player.search(game.position((), to_play)[0], np.random.default_rng(0))
        seen = found(game, search, 0, cast(Insight, Flattering()))
        sign = 1 - 2 * to_play
        answered = [move for move in seen.moves if move.visits > 1]
        assert len(answered) > 5
        assert {move.lead for move in answered} == {10 * sign}
        assert seen.lead == pytest.approx(10 * sign, abs=0.1)
        assert seen.ownership is not None
        assert seen.ownership == pytest.approx(sign * np.ones((5, 5)))
