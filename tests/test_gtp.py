"""The Go Text Protocol: as its specification says, as GNU Go understands it, and while an analysis runs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.gtp.engine import COMMANDS, Engine, serve
from arena.gtp.protocol import Conversation
from arena.gtp.seat import Seat
from envs.go import Go
from tests.marks import GNUGO, with_gnugo


def talk(*commands: str, size: int = 9, player: str = "mcts:30") -> list[str]:
    """The answers to `commands`, without the empty lines that end them."""
    out = io.StringIO()
    serve(Engine(Seat(Go(size), player, seed=1)), io.StringIO("\n".join(commands) + "\n"), out)
    return out.getvalue().rstrip("\n").split("\n\n")


class Peer:
    """An engine in a process of its own."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command: str) -> str:
        """The answer; AssertionError where it is a refusal."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines: list[str] = []
        while (line := self.process.stdout.readline()) not in ("\n", ""):
            lines.append(line.rstrip("\n"))
        assert lines, f"no answer to {command}"
        assert lines[0].startswith("="), f"{command}: {lines}"
        return "\n".join(lines)[1:].strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def ours() -> Iterator[Peer]:
    peer = Peer(sys.executable, "-m", "arena", "gtp", "mcts:30", "--game", "go9")
    yield peer
    peer.close()


def test_the_answer_carries_the_number_of_the_command() -> None:
    assert talk("1 protocol_version", "  17\tname  # a comment", "", "# nothing", "known_command play", "3 fly") == [
        "=1 2",
        "=17 arena mcts:30",
        "= true",
        "?3 unknown command",
    ]


def test_every_listed_command_is_known() -> None:
    (listed,) = talk("list_commands")
    assert listed.removeprefix("= ").split("\n") == list(COMMANDS)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("boardsize 25", "unacceptable size"),
        ("boardsize x", "syntax error: not an integer"),
        ("boardsize", "syntax error"),
        ("komi many", "syntax error: not a number"),
        ("play b Z9", "syntax error: invalid vertex"),
        ("play green A1", "syntax error: invalid color"),
        ("play b", "syntax error"),
        ("undo", "cannot undo"),
        ("fixed_handicap 1", "invalid number of stones: no such handicap on this board"),
        ("set_free_handicap A1", "bad vertex list"),
        ("set_free_handicap A1 A1", "bad vertex list"),
        ("final_status_list sleeping", "invalid status"),
        ("loadsgf no/such.sgf", "cannot load file: no such file"),
        ("time_settings a b c", "syntax error: not a number"),
    ],
)
def test_a_wrong_command_is_refused_and_the_next_one_answered(command: str, refusal: str) -> None:
    assert talk(command, "protocol_version") == [f"? {refusal}", "= 2"]


def test_an_occupied_point_is_illegal_and_either_side_may_move_twice() -> None:
    answers = talk("play b E5", "play w E5", "play b D5", "play b PASS", "play w pass", "play b C3", "undo", "undo")
    assert answers == ["=", "? illegal move", "=", "=", "=", "=", "=", "="]


def test_q_go_takes_moves_back() -> None:
    """It numbers its commands for engines that it believes to be GNU Go, and gives `undo` an argument, as GNU Go lets it."""
    asked = ("1005 play black C3", "1006 undo 0", "1007 play white C3", "1008 undo 0", "1009 undo")
    assert talk(*asked) == ["=1005", "=1006", "=1007", "=1008", "?1009 cannot undo"]


def test_the_score_is_the_area_with_komi() -> None:
    moves = [f"play b {column}{row}" for column in "DE" for row in range(1, 10)]
    assert (
        talk("komi 6.5", *moves, "play w H5", "final_score")[-1] == "= B+37.5"
    )  # 45 points of Black's own, one stone of White's
    assert talk("komi 0", "final_score")[-1] == "= 0"


def test_generated_moves_are_played_and_asked_ones_are_not() -> None:
    answers = talk("reg_genmove b", "final_status_list alive", "genmove b", "final_status_list alive")
    assert answers[1] == "="
    assert answers[3] == answers[2]


def test_a_side_that_passed_is_answered_with_a_pass_or_a_move() -> None:
    for answer in talk("play b pass", "genmove w", "genmove b", "genmove w"):
        assert answer.startswith("=")


def test_handicap_stones_are_black_and_white_moves_next() -> None:
    answers = talk(
        "place_free_handicap 9", "showboard", "place_free_handicap 2", "clear_board", "set_free_handicap A1 B2"
    )
    assert len(answers[0].split()) == 10
    assert talk("boardsize 7", "place_free_handicap 9", "clear_board", "place_free_handicap 1")[1:] == [
        "= C3 E5 C5 E3",
        "=",
        "? invalid number of stones: no such handicap on this board",
    ]
    assert answers[1].count("X") >= 9
    assert "O to play" in answers[1]
    assert answers[2] == "? board not empty"
    assert answers[4] == "= A1 B2"


def test_a_record_is_loaded_up_to_a_move(tmp_path: Path) -> None:
    file = tmp_path / "game.sgf"
    file.write_text("(;GM[1]FF[4]SZ[9]KM[5.5]AB[cc][gg];W[ee];B[ec];W[])")
    assert talk(f"loadsgf {file} 2", "final_status_list alive") == ["=", "= C7\nG3\nE5"]
    assert talk(f"loadsgf {file}", "final_score")[-1] == "= W+3.5"
    file.write_text("(;GM[1]SZ[9")
    assert talk(f"loadsgf {file}")[0].startswith("? cannot load file")


class Time:
    """A time source that every look at it moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


@pytest.mark.parametrize(
    "settings",
    [
        "time_settings 20 0 0",
        "time_settings 0 10 5",
        "kgs-time_settings byoyomi 2 1 3",
        "kgs-time_settings canadian 1 8 4",
    ],
)
def test_a_game_by_the_clock_is_played_in_time(settings: str) -> None:
    """The engine keeps its own clock where the controller says nothing of the time left; a search takes as long as it may."""
    engine = Engine(Seat(Go(5), "mcts:400", seed=0, now=Time()))
    serve(engine, io.StringIO(settings + "\n"), io.StringIO())
    for _ in range(15):
        for colour, name in enumerate("bw"):
            before = engine.seat.clocks[colour].left
            out = io.StringIO()
            serve(engine, io.StringIO(f"genmove {name}\n"), out)
            assert out.getvalue().startswith("= ")
            assert engine.seat.clocks[colour].left != before or before.stones == 1
            assert not engine.seat.clocks[colour].left.out


def test_the_controller_knows_the_time_better() -> None:
    engine = Engine(Seat(Go(5), "mcts:10", seed=0))
    told = ["time_settings 60 30 5", "time_left b 12 0", "time_left w 9 3"]
    serve(engine, io.StringIO("\n".join(told) + "\n"), io.StringIO())
    assert engine.seat.clocks[0].left == (12, 30, 5, 1)
    assert engine.seat.clocks[1].left == (0, 9, 3, 1)
    serve(engine, io.StringIO("kgs-time_settings byoyomi 60 30 5\ntime_left w 9 3\n"), io.StringIO())
    assert engine.seat.clocks[1].left == (0, 9, 1, 3)
    for unlimited in ("time_settings 0 1 0", "kgs-time_settings none"):
        serve(engine, io.StringIO(unlimited + "\n"), io.StringIO())
        assert engine.seat.clocks[0].budget() is None


def test_rules_are_kata_go_s() -> None:
    answers = talk(
        "kata-get-rules",
        "kata-set-rules chinese",
        'kata-set-rules {"ko":"SITUATIONAL","suicide":true}',
        "kata-set-rule whiteHandicapBonus N-1",
        "kata-get-rules",
        "kgs-rules chinese",
        "kata-set-rules japanese",
        "kata-set-rules {",
        "kata-set-rule ko NEVER",
    )
    rest = '"scoring": "AREA", "suicide": {}, "tax": "NONE", "whiteHandicapBonus": "{}"}}'
    assert answers[0] == '= {"hasButton": false, "ko": "POSITIONAL", ' + rest.format("false", "0")
    assert answers[4] == '= {"hasButton": false, "ko": "SITUATIONAL", ' + rest.format("true", "N-1")
    assert answers[1:4] == ["="] * 3
    assert answers[5:] == [
        "=",
        "? unsupported rules: scoring TERRITORY, tax SEKI",
        "? syntax error: no JSON",
        "? syntax error: unknown rule ko NEVER",
    ]


def test_a_game_longer_than_our_rules_allow_goes_on() -> None:
    """A game of ours ends after 64 plies on 3x3; a controller may have other ideas."""
    moves = [f"play {colour} {vertex}" for _ in range(40) for colour, vertex in (("b", "pass"), ("w", "pass"))]
    answers = talk("boardsize 3", "play b B2", *moves, "play w A1", "genmove b", "final_status_list alive")
    assert set(answers[:-2]) == {"="}
    assert answers[-2].startswith("= ")
    assert {"B2", "A1"} <= set(answers[-1].split())


def test_suicide_is_legal_where_the_rules_say_so() -> None:
    corner = ["play b A1", "play w A2", "play w B2", "play w C1", "play b B1"]  # two black stones, without a liberty
    assert talk("kata-set-rules chinese", *corner)[-1] == "? illegal move"
    assert talk("kata-set-rules tromp-taylor", *corner)[-1] == "="


def test_white_is_paid_for_handicap_stones_as_the_rules_say() -> None:
    whole_board = ["komi 0", "fixed_handicap 4", "final_score"]
    assert talk(*whole_board)[-1] == "= B+81"
    assert talk("kata-set-rules chinese", *whole_board)[-1] == "= B+77"
    assert talk("kata-set-rules aga", *whole_board, "clear_board", "play b E5", "final_score")[-1] == "= B+81"


def test_what_is_refused_leaves_the_board_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "game.sgf"
    file.write_text("(;GM[1]FF[4]SZ[5];B[aa];W[aa])")
    refused = [
        "set_free_handicap C3 C3",
        "set_position b A1 w A1",
        f"loadsgf {file}",
        f"loadsgf {tmp_path}",
        "boardsize 25",
    ]
    answers = talk(
        "play w E5",
        "undo",
        "fixed_handicap 2",
        *refused,
        "final_status_list alive",
        "boardsize 9",
        "final_status_list alive",
    )
    assert answers[2] == "= C3 G7"
    assert all(answer.startswith("? ") for answer in answers[3:8])
    assert answers[8] == "= G7\nC3"
    assert answers[10] == "="


def test_a_position_is_set_up_and_a_game_printed(tmp_path: Path) -> None:
    answers = talk(
        "boardsize 5", "set_position b C3 w C4 b D4", "play w D3", "play w A1", "printsgf", "undo", "undo", "undo"
    )
    assert answers[-1] == "? cannot undo"
    file = tmp_path / "game.sgf"
    file.write_text(answers[4].removeprefix("= "))
    assert talk(f"loadsgf {file}", "final_status_list alive")[1] == "= D4\nC3\nC4\nD3\nA1"


def test_moves_can_be_left_out_of_an_analysis() -> None:
    talked = talk(
        "kata-analyze b 5 allow b A1,B1 1 rootInfo true pvVisits true",
        "lz-analyze b 5 avoid b pass 1 minmoves 25",
        size=5,
    )
    last = talked[0].split("\n")[-1]
    assert {word for before, word in zip(last.split(), last.split()[1:], strict=False) if before == "move"} <= {
        "A1",
        "B1",
    }
    assert " rootInfo visits " in last
    assert " pvVisits " in last
    last = talked[1].split("\n")[-1]
    assert "move pass" not in last
    assert last.count("info ") == 25
    for wrong in ("avoid b A1", "avoid b Z1 1", "strength 3", "ownership maybe", "maxmoves"):
        assert talk(f"kata-analyze {wrong}", size=5)[0].startswith("? syntax error")
    assert talk("lz-analyze b allow b A1 1 avoid b A1 1", size=5) == ["? no move is left to look at"]
    assert talk("lz-genmove_analyze b avoid b A1 1", size=5)[0].startswith("? syntax error")


def test_a_network_says_who_owns_what() -> None:
    moves = [f"play b {column}{row}" for column in "DE" for row in range(1, 10)]
    analysis, raw, every, komi = talk(
        *moves, "kata-analyze w 5 ownership true", "kata-raw-nn 0", "kata-raw-nn all", "get_komi", player="champion:50"
    )[len(moves) :]
    last = analysis.split("\n")[-1]
    owned = [float(word) for word in last.partition(" ownership ")[2].split()]
    assert len(owned) == 81
    wall = [row * 9 + column for row in range(9) for column in (3, 4)]
    assert max(owned[point] for point in wall) < -0.5  # White is to move, and the wall is Black's
    assert float(last.split("scoreLead ")[1].split()[0]) < 0
    assert raw.startswith("= symmetry 0\nwhiteWin 0.0")
    white = list(map(float, raw.partition("whiteOwnership\n")[2].split()))
    assert len(white) == 81
    assert max(white[point] for point in wall) < -0.5
    assert raw.partition("policy\n")[2].split()[3] == "NAN"  # D9 is taken
    assert every.count("symmetry") == 8
    assert float(raw.partition("whiteLead ")[2].split()[0]) < 0
    assert komi == "= 7"
    assert talk("kata-raw-nn 0", player="mcts:10") == ["? mcts:10 has no network"]


def test_every_way_to_look_at_a_position_is_the_same_position() -> None:
    """An empty board looks the same from everywhere, and a stone in a corner has its policy turned back."""
    (every,) = talk("kata-raw-nn all", player="champion:50")
    wins = {line for line in every.split("\n") if line.startswith("whiteWin")}
    assert len(wins) == 1
    turned = talk("play b C3", "kata-raw-nn all", player="champion:50")[1].split("symmetry")[1:]
    for said in turned:
        policy = said.partition("policy\n")[2].split()[:81]
        assert [i for i, p in enumerate(policy) if p == "NAN"] == [6 * 9 + 2]
        owned = list(map(float, said.partition("whiteOwnership\n")[2].split()))
        assert min(range(81), key=lambda i: owned[i]) == 6 * 9 + 2  # the stone's own point is Black's before any other


def test_strange_lines_are_answered_or_passed_over() -> None:
    answers = talk(
        "\x07name\x00",
        "99999999999999999999 name",
        "\u00b2 name",
        "   ",
        "12",
        "komi \u00b2",
        "boardsize " + "9" * 5000,
    )
    assert answers[0] == "= arena mcts:30"
    assert answers[1] == "? unknown command"
    assert answers[2] == "? unknown command"
    assert len(answers) == 5
    assert talk("name " + "x" * 200_000, "version")[1].startswith("= ")


def test_a_program_that_resigns_as_the_player_resigns(tmp_path: Path) -> None:
    program = tmp_path / "coward.py"
    program.write_text(
        "import sys\nfor line in sys.stdin:\n    print('=', 'resign' if 'genmove' in line else '', end='\\n\\n', flush=True)"
    )
    assert talk("genmove b", "reg_genmove b", "name", player=f"gtp:{sys.executable} {program}")[:2] == ["= resign"] * 2


@pytest.mark.parametrize("command", ["lz-analyze 10", "kata-analyze b 10", "analyze b interval 10 maxmoves 3"])
def test_an_analysis_reports_until_the_next_command(command: str) -> None:
    analysis, rest = talk(command, "4 name")
    head, *reports = analysis.split("\n")
    assert head == "="
    assert reports
    words = reports[-1].split()
    assert words[:2] == ["info", "move"]
    Go(9).parse_action(words[2])
    for field in ("visits", "winrate", "prior", "lcb", "order", "pv"):
        assert field in words
    assert ("." in words[words.index("winrate") + 1]) == (not command.startswith("lz"))
    assert rest == "=4 arena mcts:30"


def test_an_analysed_move_is_played() -> None:
    (answer, board) = talk("kata-genmove_analyze b 10", "final_status_list alive")
    move = answer.split("\n")[-1].removeprefix("play ")
    assert board == f"= {move}"


def test_reports_come_while_a_move_is_searched_for() -> None:
    engine, out = Engine(Seat(Go(5), "mcts:2000", seed=0, now=Time())), io.StringIO()
    serve(engine, io.StringIO("lz-genmove_analyze b 5\nfinal_status_list alive\n"), out)
    (head, *reports, move), board = (answer.split("\n") for answer in out.getvalue().removesuffix("\n\n").split("\n\n"))
    assert head == "="
    visits = [sum(map(int, re.findall(r"visits (\d+)", report))) for report in reports]
    assert len(visits) > 3
    assert visits == sorted(visits)
    assert board == [f"= {move.removeprefix('play ')}"]


def test_a_report_that_says_nothing_yet_does_not_end_the_answer() -> None:
    out = io.StringIO()
    Conversation(io.StringIO("7 look\nlook\n"), out).run({"look": lambda: iter(["", "info", "", "play"])})
    assert out.getvalue() == "=7\ninfo\nplay\n\n" + "=\ninfo\nplay\n\n"


def test_a_player_without_a_search_cannot_explain_itself() -> None:
    assert talk("lz-analyze 10", "name", player="random") == ["? random does not search", "= arena random"]


def test_the_engine_runs_as_a_program(ours: Peer) -> None:
    assert ours.ask("boardsize 5") == ""
    assert ours.ask("genmove b").upper() != "RESIGN"
    assert ours.ask("quit") == ""
    assert ours.process.wait(timeout=20) == 0


@pytest.mark.peer
@with_gnugo
def test_gnu_go_and_ours_play_a_game_and_agree_on_it(ours: Peer) -> None:
    """Every move of each is legal to the other; handicap points are the same on every board."""
    gnugo = Peer(GNUGO, "--mode", "gtp", "--level", "1", "--chinese-rules", "--capture-all-dead")
    try:
        for size in (7, 8, 9, 13, 19):
            for stones in range(2, 10):
                answers = []
                for peer in (ours, gnugo):
                    peer.ask(f"boardsize {size}")
                    peer.ask("clear_board")
                    try:
                        answers.append(sorted(peer.ask(f"fixed_handicap {stones}").split()))
                    except AssertionError:
                        answers.append([])
                assert answers[0] == answers[1], (size, stones)
        for peer in (ours, gnugo):
            for command in ("boardsize 9", "clear_board", "komi 7"):
                peer.ask(command)
        passes, colour, moves = 0, "black", 0
        while passes < 2 and moves < 200:
            mover, other = (ours, gnugo) if colour == "black" else (gnugo, ours)
            move = mover.ask(f"genmove {colour}")
            if move.lower() == "resign":
                break
            other.ask(f"play {colour} {move}")
            passes = passes + 1 if move.lower() == "pass" else 0
            colour = "white" if colour == "black" else "black"
            moves += 1
        assert moves > 10
        theirs = {gnugo.ask(f"list_stones {colour}") for colour in ("black", "white")}
        assert set(ours.ask("final_status_list alive").split()) == {v for line in theirs for v in line.split()}
    finally:
        gnugo.close()
