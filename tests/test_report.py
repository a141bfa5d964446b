"""A run's page: it holds what was measured, and its viewer steps through the games in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import arena.train as training
import envs
from arena.alphago import table
from arena.config import Config
from arena.ledger import Ledger
from arena.report.chart import Interval, Level, Series, interval_chart, line_chart
from arena.report.games import SampleGame, for_viewer
from arena.report.page import write
from arena.settings import dump, find_config, load
from arena.standings import show_ledger
from arena.tables import run_ratings

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    training.start("tictactoe", ["tracking.mode=disabled"], runs=folder, smoke=True)
    return folder / "tictactoe-smoke"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AlphaGo's stages, all of them."""
    folder = tmp_path_factory.mktemp("runs")
    training.start("alphago_9x9", ["tracking.mode=disabled"], runs=folder, smoke=True)
    return folder / "alphago_9x9-smoke"


class Tags(HTMLParser):
    """Counts tags and everything fetched from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_holds_what_was_measured_and_needs_nothing_else(run: Path) -> None:
    page = write(run).read_text()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    tags = Tags(page)
    assert tags.fetched == []
    assert tags.count["svg"] >= 7
    assert f"<b>{rows[-1]['rating/elo']:.0f}</b>" in page
    assert "random" in page
    games = json.loads(re.search(r'id="games">(.*?)</script>', page)[1])  # type: ignore[index]
    assert games
    for game in games:
        assert len(game["boards"]) == len(game["last"]) == len(game["moves"]) + 1
        assert not any(game["boards"][0])


def test_energy_is_shown_where_it_was_estimated(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    rows = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows, 1):
        row["footprint/kwh"] = 0.002 * number
    (copy / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    page = write(copy).read_text()
    assert f"<b>{2 * len(rows):.1f} Wh</b>" in page
    assert 'data-axis="footprint/kwh"' in page


def test_a_league_shows_who_became_a_generation(run: Path, tmp_path: Path) -> None:
    assert "League" not in write(run, tmp_path).read_text()
    copy = shutil.copytree(run, tmp_path / "run")
    rows = [json.loads((copy / "metrics.jsonl").read_text().splitlines()[-1]) for _ in range(3)]
    challenges = [(1, {}), (1, {"league/gate_score": 0.5, "league/gate_games": 128})]
    challenges.append((2, {"league/gate_score": 0.625, "league/gate_games": 64}))
    for iteration, (row, (generations, found)) in enumerate(zip(rows, challenges, strict=True), 1):
        row |= {"iteration": iteration, "league/generations": generations, "league/score/greedy": 0.25} | found
    rows[-1]["ratings"] = [["000001", 10.4, -1.2, 22.3, 40, 0.5], ["000003", 60.0, 31.0, 90.0, 40, 0.6]]
    (copy / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    page = write(copy).read_text()
    lines = [re.findall(r">([^<>]+)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", page) if "000" in line]
    assert ["000001", "generation 1", "10 (-1 to 22)"] in lines
    assert ["000002", "no", "50.0%", "128"] in lines
    assert ["000003", "generation 2", "62.5%", "64", "60 (31 to 90)"] in lines
    assert "Scores against the pool" in page


@pytest.mark.parametrize(
    ("spec", "moves", "kind"),
    [
        ("go5", ["C3", "D3", "pass"], "lines"),
        ("hex4", ["b2", "c3"], "hex"),
        ("chess", ["e4", "c5", "Nf3"], "chess"),
        ("tictactoe", ["b2", "a1"], "tictactoe"),
        ("othello", ["d3", "c3"], "othello"),
    ],
)
def test_the_viewer_is_given_boards_moves_and_who_sits_where(spec: str, moves: list[str], kind: str) -> None:
    game = envs.make(spec)
    states, actions = game.reset(1), list[int]()
    for name in moves:
        actions.append(envs.game.parse_move(game, states[0], name))
        states = game.step(states, np.array(actions[-1:]))
    seen = for_viewer(game, "me", SampleGame("you", False, 0.5, actions))
    assert seen["kind"] == kind
    assert seen["moves"] == moves
    assert seen["players"] == ("you", "me")
    assert seen["title"] == "me against you: drawn"
    assert np.array_equal(seen["boards"][-1], game.board(states).reshape(-1))
    if spec != "chess":
        assert seen["last"][1] == actions[0]


def test_charts_leave_out_what_is_not_finite_and_name_their_points() -> None:
    chart = line_chart([Series("a & b", [1, 2, 3], [0.5, float("nan"), 0.7])], "iterations", "share", percent=True)
    assert chart.count("<circle") == 2
    assert "a &amp; b: 70.0% at 3 iterations" in chart
    assert line_chart([Series("none", [1], [float("nan")])], "x", "y") == ""
    level = line_chart(
        [Series("ours", [1, 2], [0.2, 0.3])], "steps", "share", levels=[Level("theirs", 0.6)], percent=True
    )
    assert ">theirs</text>" in level
    assert ">60%</text>" in level, "the axis reaches it"


def test_axes_of_charts_name_each_tick_once_and_no_negative_share() -> None:
    """A league that lost every game had shares from -5% to 5%, a loss that hardly moved had 0.697 twice."""

    def ticks(values: list[float], **how: bool) -> list[str]:
        return re.findall(r'text-anchor="end">([^<]*)<', line_chart([Series("a", [1, 2], values)], "x", "y", **how))

    assert ticks([0.0, 0.0], percent=True)[0] == "0%"
    assert ticks([0.6969, 0.6955]) == ["0.6955", "0.6960", "0.6965"]
    assert ticks([1.0, 9.0]) == ["2", "4", "6", "8"]


def test_names_beside_intervals_have_room() -> None:
    """That of the reinforced policy's second pass was cut."""
    long, short = "reinforced policy, second pass", "random"
    places = {}
    for name in (long, short):
        chart = interval_chart([Interval(name, 0.0, -10.0, 10.0)], "Elo")
        found = re.search(rf'x="([\d.]+)" y="[\d.]+" text-anchor="end">{name}<', chart)
        assert found is not None
        places[name] = float(found[1])
    assert places[long] > 6.6 * len(long)  # letters of 12 px
    assert places[short] < 100, "and no more than that"


@pytest.mark.parametrize("command", [write, run_ratings])
def test_what_is_no_run_is_refused_with_what_to_name_instead(command: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no run: name the folder"):
        command(tmp_path)
    run = tmp_path / "connect_four"
    (run / "wandb").mkdir(parents=True)
    (run / "config.yaml").write_text(dump(load(Config, find_config("connect_four"))))
    with pytest.raises(ValueError, match=r"has logged nothing yet: wait|has rated no agent yet: it does after every"):
        command(run)
    with pytest.raises(ValueError, match=rf"is no run but holds some: name one of them, such as {run}"):
        command(tmp_path)
    with pytest.raises(ValueError, match=rf"is no run but a part of one: name {run}"):
        command(run / "wandb")
    with pytest.raises(ValueError, match=rf"does not exist: did you mean {run}\?"):
        command(tmp_path / "conect_four")
    Ledger(tmp_path / "ledger.sqlite").close()
    with pytest.raises(ValueError, match=r"is no run but a file: .* `arena rate .*ledger.sqlite` rates"):
        command(tmp_path / "ledger.sqlite")


def test_a_report_goes_where_it_can(run: Path, tmp_path: Path) -> None:
    assert write(run, tmp_path) == tmp_path / "report.html"
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere: make it, or name another place with --out"):
        write(run, tmp_path / "nowhere" / "page.html")


def test_what_is_no_ledger_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "games.txt"
    for content in (b"", b"hello"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"is no ledger: `arena rate` takes a run's folder, a ledger"):
            show_ledger(file, anchor="random")
        assert file.read_bytes() == content
    Ledger(tmp_path / "new.sqlite").close()
    with pytest.raises(ValueError, match="has no games yet: `arena tournament GAME"):
        show_ledger(tmp_path / "new.sqlite", anchor="random")


def test_the_ratings_of_alphago_are_its_table_s(
    pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_ratings(pipeline)
    shown = capsys.readouterr().out
    assert "Ratings: alphago_9x9-smoke" in shown
    assert "supervised policy" in shown
    (tmp_path / "config.yaml").write_text((pipeline / "config.yaml").read_text())
    with pytest.raises(ValueError, match="no players have met at the table"):
        run_ratings(tmp_path)


def last(pipeline: Path, stage: str, key: str) -> float:
    rows = [json.loads(line) for line in (pipeline / stage / "metrics.jsonl").read_text().splitlines()]
    return float(next(row[key] for row in reversed(rows) if key in row))


def test_the_page_of_alphago_has_every_stage_beside_the_paper(pipeline: Path) -> None:
    page = write(pipeline).read_text()
    tags = Tags(page)
    assert tags.fetched == []
    assert "9 of 9 stages done" in page
    train, test = (json.loads((pipeline / "records" / part / "store.json").read_text()) for part in ("train", "test"))
    assert f"<td>{train['games']}</td><td>{train['positions']}</td>" in page
    assert f"<td>{test['games']}</td><td>{test['positions']}</td>" in page
    for stage, paper in (("supervised", "57.0%"), ("rollout", "24.2%")):
        assert f"<td>{last(pipeline, stage, 'test/policy_top1'):.1%}</td><td>{paper}</td>" in page
    for stage in ("reinforced", "reinforced_again"):
        assert f"<td>{last(pipeline, stage, 'reinforce/score_supervised'):.1%}</td>" in page
    for stage, paper in (("value", "2 × 0.226 / 0.234"), ("value_whole", "2 × 0.19 / 0.37")):
        errors = (last(pipeline, stage, f"{part}/value_mse") for part in ("train", "test"))
        assert f"<td>{' / '.join(f'{error:.3f}' for error in errors)}</td><td>{paper}</td>" in page
    rows = table.rows(table.load(pipeline / "table"))
    for row in rows:
        assert f"<td class=left>{row.player}</td><td>{row.elo:z.0f}</td>" in page
    assert len(re.findall('class="mark"', page)) == sum(row.paper is not None for row in rows)
    for mix in ("0", "0.25", "0.5", "0.75", "1"):
        assert re.search(rf"this run: [^<]* at {mix} λ: 0 the value network alone", page)
    games = json.loads(re.search(r'id="games">(.*?)</script>', page)[1])  # type: ignore[index]
    assert {"reinforced", "reinforced_again", "AlphaGo rvp, λ 0.5"} <= {
        name for game in games for name in game["players"]
    }


def test_a_half_done_run_of_alphago_shows_the_stages_it_has(pipeline: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pipeline, tmp_path / "run")
    for stage in ("value", "value_whole", "reinforced_again", "table"):
        shutil.rmtree(copy / stage)
        (copy / "agents" / f"{stage}.safetensors").unlink(missing_ok=True)
    with (copy / "supervised" / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 2, "sam')  # a row being written
    page = write(copy).read_text()
    assert "5 of 9 stages done" in page
    assert "Supervised policy</h2>" in page
    assert "Value network</h2>" not in page
    assert "Who is how strong" not in page
    for stage in ("supervised", "rollout", "reinforced", "positions"):
        shutil.rmtree(copy / stage)
    shutil.rmtree(copy / "agents")
    assert "1 of 9 stages done" in write(copy).read_text()
    shutil.rmtree(copy / "records")
    with pytest.raises(ValueError, match="has made nothing yet: wait for the end of its first stage"):
        write(copy)


def test_a_table_under_way_is_shown_as_far_as_it_is(pipeline: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pipeline, tmp_path / "run")
    (copy / "table" / "table.csv").unlink()
    file = copy / "table" / "results.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:3]))
    page = write(copy).read_text()
    assert "8 of 9 stages done" in page
    assert "3 pairs have met" in page


def test_the_energy_of_stages_is_added_up(pipeline: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pipeline, tmp_path / "run")
    assert "codecarbon" not in write(copy).read_text().partition("<h2>Config")[0]
    for stage, kwh in (("supervised", 0.003), ("value", 0.004)):
        spent = {"seconds": 600, "footprint/kwh": kwh, "footprint/co2e_kg": kwh / 2}
        (copy / stage / "spent.json").write_text(json.dumps(spent))
    page = write(copy).read_text()
    assert "<b>7.0 Wh</b>" in page
    assert "<td>10 min</td><td>3.0 Wh</td>" in page
    assert "3.5 g CO2e altogether; none was made of: game records, rollout policy" in page


def shown_title(page: Path) -> list[str]:
    """The parts of a page's title, between bars, as a browser has it after the page's scripts."""
    shown = subprocess.run(
        [CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    return title[1].split("|")


@pytest.mark.peer
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("kind", ["run", "pipeline"])
def test_a_browser_steps_through_a_game(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Keys and buttons, pressed by a script at the page's end; its outcome stands in the page's title."""
    script = """<script>
    const at = () => document.querySelector(".ply").textContent, seen = [at()];
    const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
    const things = () => document.querySelectorAll(".board .stone, .board .last").length;
    press("Home"); seen.push(at(), things());
    press("ArrowRight"); seen.push(at(), things());
    document.querySelector(".end").click(); seen.push(at());
    document.title = seen.join("|");
    </script></body>"""
    page, run = tmp_path / "page.html", request.getfixturevalue(kind)
    page.write_text(write(run, tmp_path / "plain.html").read_text().replace("</body>", script))
    end, home, no_stones, first, stones, again = shown_title(page)
    assert home.startswith("0 of ")
    assert first.startswith("1 of ")
    assert end == again
    assert (no_stones, stones) == ("0", "2")  # a stone, and the mark on it


@pytest.mark.peer
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_edges_of_a_hex_board_have_the_colour_of_who_joins_them(run: Path, tmp_path: Path) -> None:
    """What lies beside the four edges, three quarters of a cell off the middles, and the stones of both players."""
    script = """<script>
    const svg = document.querySelector(".board svg");
    svg.scrollIntoView();
    const place = svg.getScreenCTM();
    const at = (row, column) => [column + row / 2 + 0.5, row * 0.866 + 0.58];
    const seen = [[-0.75, 1], [3.75, 2], [1, -0.75], [2, 3.75], [0, 0], [3, 3]].map(([row, column]) => {
      const spot = new DOMPoint(...at(row, column)).matrixTransform(place);
      return document.elementFromPoint(spot.x, spot.y).getAttribute("fill");
    });
    document.title = seen.join("|");
    </script></body>"""
    game, page = envs.make("hex4"), tmp_path / "page.html"
    played = json.dumps([for_viewer(game, "me", SampleGame("you", True, 0.5, [0, 15, 5]))])
    text = re.sub(r'(id="games">).*?(</script>)', rf"\g<1>{played}\2", write(run, tmp_path / "plain.html").read_text())
    page.write_text(text.replace("</body>", script))
    above, below, left, right, first, second = shown_title(page)
    assert above == below == first
    assert left == right == second
    assert first != second
