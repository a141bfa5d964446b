"""Agents as files: taken along, taken in, and harmless whoever wrote them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from rich.console import Console

import envs
from agents.files import AgentFile, fingerprint, load_agent, save_agent
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.players import champion, make_player
from agents.search import SearchSettings
from arena import catalogue


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=100, emoji=False, quiet=False, file=Path("/dev/null").open("w"))


def agent_file(path: Path, origin: dict[str, str | int] | None = None, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    game, settings = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=4)
    weights = PolicyValueNetwork(game, settings).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_agent(path, AgentFile(game, settings, SearchSettings(), 4, weights, origin or {"run": "test", "iteration": 3}))
    return path


def test_an_agent_taken_along_and_taken_in_is_the_same_player(tmp_path: Path, console: Console) -> None:
    path = agent_file(tmp_path / "mine.safetensors")
    catalogue.export(load_agent(path), tmp_path / "out", console)
    catalogue.bring_in(
        load_agent(tmp_path / "out" / "agent.safetensors"), tmp_path / "runs" / "agents", "guest", console
    )
    taken = tmp_path / "runs" / "agents" / "guest.safetensors"
    assert fingerprint(load_agent(taken)) == fingerprint(load_agent(path))
    game = envs.make("tictactoe")
    moves = [make_player(game, str(p))(game.reset(3), np.random.default_rng(0)).tolist() for p in (path, taken)]
    assert moves[0] == moves[1]


def test_the_model_card_says_what_the_agent_is(tmp_path: Path, console: Console) -> None:
    path = agent_file(tmp_path / "mine.safetensors")
    catalogue.export(load_agent(path), tmp_path / "out", console)
    card = (tmp_path / "out" / "README.md").read_text()
    for word in (
        "tictactoe",
        fingerprint(load_agent(path)),
        "iteration 3",
        "simulations a move | 4",
        "c_init",
        "[B, 9]",
    ):
        assert word in card
    assert card.startswith("---\nlibrary_name:")


def test_all_agents_are_listed_and_damaged_ones_named(tmp_path: Path, console: Console) -> None:
    agent_file(tmp_path / "agents" / "guest.safetensors")
    agent_file(tmp_path / "run" / "agents" / "000010.safetensors", seed=1)
    newest = agent_file(tmp_path / "run" / "agents" / "000020.safetensors", seed=2)
    (tmp_path / "run" / "config.yaml").touch()
    (tmp_path / "agents" / "broken.safetensors").write_bytes(b"nothing")
    found, problems = catalogue.entries(tmp_path, tmp_path / "agents")
    assert [entry.spec for entry in found][-2:] == [
        str(tmp_path / "agents" / "guest.safetensors"),
        str(tmp_path / "run"),
    ]
    assert fingerprint(found[-1].agent) == fingerprint(load_agent(newest))
    assert "champion" in [entry.spec for entry in found]
    assert len(problems) == 1
    assert "broken.safetensors" in problems[0]
    catalogue.list_agents(tmp_path, tmp_path / "agents", console)
    listed = console.export_text()
    assert "left out" in listed
    assert f"\n{tmp_path / 'agents' / 'guest.safetensors'}\n" in listed  # in one piece, however long: to be copied


def test_every_player_that_is_listed_can_be_described(tmp_path: Path) -> None:
    """`arena agents describe champion` knew no such file."""
    agent_file(tmp_path / "agents" / "guest.safetensors")
    for spec, agent in catalogue.entries(tmp_path, tmp_path / "agents")[0]:
        assert fingerprint(catalogue.named(Path(spec), agent.game.name)) == fingerprint(agent)
    with pytest.raises(ValueError, match=r"say which with --game connect_four or --game go9"):
        catalogue.named(Path("champion"), "")
    with pytest.raises(ValueError, match=r"no champion of tictactoe comes with the package"):
        catalogue.named(Path("champion"), "tictactoe")
    with pytest.raises(ValueError, match=r"plays tictactoe, not connect_four"):
        catalogue.named(tmp_path / "agents" / "guest.safetensors", "connect_four")


def test_another_agent_of_that_name_is_not_overwritten(tmp_path: Path, console: Console) -> None:
    one, other = agent_file(tmp_path / "a" / "x.safetensors"), agent_file(tmp_path / "b" / "x.safetensors", seed=1)
    library = tmp_path / "library"
    for _ in range(2):  # the same one again is no conflict
        catalogue.bring_in(load_agent(one), library, "x", console)
    with pytest.raises(ValueError, match="is another agent: choose a name"):
        catalogue.bring_in(load_agent(other), library, "x", console)
    with pytest.raises(ValueError, match="is no name"):
        catalogue.bring_in(load_agent(other), library, "../escaped", console)
    assert fingerprint(load_agent(library / "x.safetensors")) == fingerprint(load_agent(one))


class Bomb:
    """Unpickled, it would leave a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.trace,))  # type: ignore[return-value]


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_pickle_under_an_agents_name_is_refused_unopened(form: str, tmp_path: Path, console: Console) -> None:
    trace, path = tmp_path / "trace", tmp_path / "agent.safetensors"
    with path.open("wb") as file:
        if form == "pickle":
            pickle.dump(Bomb(trace), file)
        else:
            torch.save(Bomb(trace), file)
    with pytest.raises(ValueError, match="damaged or no agent file"):
        catalogue.bring_in(catalogue.named(path, ""), tmp_path / "library", "agent", console)
    assert not trace.exists()
    assert not (tmp_path / "library").exists()


def rewritten(path: Path, **changes: str) -> Path:
    """The agent file with other words in its description."""
    with safetensors.safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() | changes
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(safetensors.torch.save(tensors, metadata))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"game": "os.system('true')"}, "there is no game"),
        ({"game": "pettingzoo:os:path-v0"}, "unreadable description"),
        ({"network": '{"trunk": "__import__"}'}, "unreadable description"),
        ({"network": '{"blocks": 1, "channels": 5}'}, "do not fit"),
        ({"network": '{"blocks": 1000000000, "channels": 8}'}, "do not fit"),
        ({"network": '{"blocks": 1, "channels": 1000000}'}, "do not fit"),  # terabytes, were it made
        ({"origin": "{"}, "unreadable description"),
        ({"origin": "[" * 100_000}, "unreadable description"),
        ({"origin": "[1]"}, "unreadable description"),
        ({"simulations": "many"}, "unreadable description"),
        ({"format": "another"}, "no agent that this version knows"),
    ],
)
def test_a_description_that_lies_is_one_line_of_error(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    path = rewritten(agent_file(tmp_path / "agent.safetensors"), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_agent(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor * torch.nan, "no number"),
        (lambda tensor: tensor / 0, "no number"),
        (lambda tensor: tensor.to(torch.bfloat16), "is bfloat16"),
        (lambda tensor: tensor[None], "is float32"),
    ],
)
def test_weights_that_are_no_numbers_or_of_another_kind_are_refused(
    change: Callable[[torch.Tensor], torch.Tensor], message: str, tmp_path: Path
) -> None:
    """A search that is told NaN chose action -1."""
    path = agent_file(tmp_path / "agent.safetensors")
    agent = load_agent(path)
    weights = {name: change(t) if t.is_floating_point() else t for name, t in agent.weights.items()}
    save_agent(path, agent._replace(weights=weights))
    with pytest.raises(ValueError, match=f"do not fit the network: .*{message}"):
        load_agent(path)


def test_what_a_stranger_wrote_of_his_agent_cannot_steer_the_terminal(tmp_path: Path, console: Console) -> None:
    origin: dict[str, str | int] = {"run": "\x1b[2Jevil\n\n# heading [red]"}
    path = rewritten(agent_file(tmp_path / "agent.safetensors"), origin=json.dumps(origin))
    card = catalogue.model_card(load_agent(path))
    assert "\x1b" not in card
    assert "\n# heading" not in card
    catalogue.describe(load_agent(path), console)


def test_taking_an_agent_in_leaves_behind_what_is_no_part_of_it(tmp_path: Path, console: Console) -> None:
    path = rewritten(agent_file(tmp_path / "agent.safetensors"), payload="x" * 1000)
    catalogue.bring_in(load_agent(path), tmp_path / "library", "agent", console)
    with safetensors.safe_open(str(tmp_path / "library" / "agent.safetensors"), framework="pt") as file:
        assert "payload" not in file.metadata()


@pytest.mark.peer
def test_onnx_says_what_the_network_says(tmp_path: Path) -> None:
    for name in catalogue.ONNX_PACKAGES:
        pytest.importorskip(name, reason="exporting to ONNX needs it")
    openvino = pytest.importorskip("openvino", reason="reads the ONNX file")
    game = envs.make("connect_four")
    agent = load_agent(champion(game))
    catalogue.export_onnx(agent, tmp_path / "agent.onnx")
    planes = game.observe(game.step(game.reset(5), np.arange(5))).astype(np.float32)
    model = openvino.Core().compile_model(tmp_path / "agent.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    policy, value = model(planes).values()
    with torch.inference_mode():
        expected = catalogue._Deployed(agent).eval()(torch.from_numpy(planes))
    np.testing.assert_allclose(policy, expected[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(value, expected[1].numpy(), atol=1e-4)


def test_without_onnx_the_export_says_what_to_install(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "ONNX_PACKAGES", ("no_such_package",))
    catalogue.export(load_agent(agent_file(tmp_path / "agent.safetensors")), tmp_path / "out", console)
    assert "pip install no_such_package" in console.export_text()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["README.md", "agent.safetensors"]
