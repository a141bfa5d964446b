"""Networks as they are run: every runtime and precision answers as torch does, in any order, at no cost in memory."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

import envs
from agents import openvino_runtime
from agents import runtime as runtime_module
from agents.evaluators import Evaluation
from agents.files import load_agent
from agents.network import NetworkSettings, PolicyValueNetwork, fold_normalisation
from agents.openvino_runtime import OpenVINORuntime
from agents.players import champion, make_player, policy_player
from agents.runtime import NetworkEvaluator, RuntimeSettings, TorchRuntime, candidates, resolve, set_threads
from arena.learner import Learner, TrainSettings
from envs import Game
from envs.batch import random_play
from tests.learning import start_samples


def test_folding_normalisation_changes_nothing_in_play() -> None:
    game = envs.make("connect_four")
    torch.manual_seed(0)
    network = PolicyValueNetwork(game, NetworkSettings(blocks=2, channels=16, global_pooling=True))
    x = torch.randint(0, 2, (64, 3, 6, 7)).float()
    network(x)  # moves the running statistics
    network.eval()
    before = network(x)
    fold_normalisation(network)
    after = network(x)
    assert torch.allclose(before.policy, after.policy, atol=1e-4)
    assert torch.allclose(before.value, after.value, atol=1e-4)


def test_bf16_answers_stay_close_to_fp32() -> None:
    game = envs.make("connect_four")
    torch.manual_seed(0)
    learner = Learner(game, NetworkSettings(), TrainSettings(batch=64))
    list(learner.train(start_samples(game, 64, seed=3), 30, np.random.default_rng(0), progress=0.0))
    answers = []
    states = game.step(game.reset(7), np.arange(7))
    for precision in ("fp32", "bf16"):
        runtime = TorchRuntime(game, NetworkSettings(), precision=precision)
        runtime.load(learner.play_weights())
        answers.append(runtime.evaluate(game.observe(states), game.legal(states)))
    assert np.abs(answers[0].priors - answers[1].priors).max() < 0.05
    assert np.abs(answers[0].values - answers[1].values).max() < 0.05


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_openvino_answers_as_torch_does_for_new_weights_and_any_batch(precision: str) -> None:
    game = envs.make("connect_four")
    settings = NetworkSettings(blocks=1, channels=16, global_pooling=True)
    torch.manual_seed(0)
    learner = Learner(game, settings, TrainSettings(batch=64))
    reference, served = TorchRuntime(game, settings), OpenVINORuntime(game, settings, precision=precision, threads=2)
    tolerance = 1e-5 if precision == "fp32" else 0.05
    states = game.step(game.reset(150), np.arange(150) % 7)
    planes, legal = game.observe(states), game.legal(states)
    for _ in range(2):
        list(learner.train(start_samples(game, 64, seed=3), 10, np.random.default_rng(0), progress=0.0))
        for runtime in (reference, served):
            runtime.load(learner.play_weights())
        for n in (1, 3, 7, 8, 12, 16, 35, 64, 128, 150):
            expected, found = reference.evaluate(planes[:n], legal[:n]), served.evaluate(planes[:n], legal[:n])
            np.testing.assert_allclose(found.priors, expected.priors, atol=tolerance)
            np.testing.assert_allclose(found.values, expected.values, atol=tolerance)
            again = served.evaluate(planes[:n], legal[:n])
            assert (again.priors.tobytes(), again.values.tobytes()) == (found.priors.tobytes(), found.values.tobytes())


def test_openvino_answers_questions_in_any_order_later_and_not_at_all() -> None:
    game, settings = envs.make("connect_four"), NetworkSettings(blocks=1, channels=16)
    served = OpenVINORuntime(game, settings, threads=2)
    weights = [PolicyValueNetwork(game, settings).state_dict() for _ in range(2)]
    states = game.step(game.reset(70), np.arange(70) % 7)
    planes, legal = game.observe(states), game.legal(states)
    parts = [slice(0, 8), slice(8, 16), slice(16, 70), slice(3, 4)]

    def bits(answer: Evaluation) -> tuple[bytes, bytes]:
        return answer.priors.tobytes(), answer.values.tobytes()

    served.load(weights[1])
    later = [bits(served.evaluate(planes[part], legal[part])) for part in parts]
    served.load(weights[0])
    expected = [bits(served.evaluate(planes[part], legal[part])) for part in parts]
    assert not set(later) & set(expected)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        questions = [planes[part].copy() for part in parts]
        asked = [served.ask(question, legal[part]) for question, part in zip(questions, parts, strict=True)]
        for question in questions:
            question[:] = 0  # theirs by now
        for i in order:
            assert bits(asked[i]()) == expected[i]
    asked = [served.ask(planes[part], legal[part]) for part in parts]
    served.load(weights[1])
    assert bits(asked[0]()) == expected[0]
    del asked
    for _ in range(3):
        for i, part in enumerate(parts):
            served.ask(planes[part], legal[part])
            assert bits(served.evaluate(planes[part], legal[part])) == later[i]


def test_a_converted_network_is_kept_for_the_next_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARENA_CACHE", str(tmp_path))
    game, settings, converted = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=8), list[int]()
    convert = openvino_runtime._convert

    def counted(game: Game, settings: NetworkSettings) -> openvino.Model:
        converted.append(1)
        return convert(game, settings)

    monkeypatch.setattr(openvino_runtime, "_convert", counted)
    network, states = PolicyValueNetwork(game, settings), game.step(game.reset(9), np.arange(9))
    planes, legal = game.observe(states), game.legal(states)
    reference = TorchRuntime(game, settings)
    reference.load(network.state_dict())
    expected = reference.evaluate(planes, legal)

    def answers_again(times: int) -> None:
        openvino_runtime._model.cache_clear()  # as in a process of its own
        served = OpenVINORuntime(game, settings, threads=1)
        served.load(network.state_dict())
        found = served.evaluate(planes, legal)
        np.testing.assert_allclose(found.priors, expected.priors, atol=1e-5)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
        assert len(converted) == times

    answers_again(1)
    answers_again(1)
    (kept,) = (tmp_path / "networks").glob("*.xml")
    kept.write_text("<net>cut off")
    answers_again(2)
    answers_again(2)
    assert sorted(file.suffix for file in (tmp_path / "networks").iterdir()) == [".bin", ".xml"]
    monkeypatch.setenv("ARENA_CACHE", str(kept / "is no folder"))
    monkeypatch.setattr(tempfile, "tempdir", str(kept / "neither"))
    answers_again(3)


def test_players_move_as_the_network_in_full_precision_would() -> None:
    game = envs.make("connect_four")
    agent = load_agent(champion(game))
    reference = TorchRuntime(game, agent.network)
    reference.load(agent.weights)
    rng = np.random.default_rng(0)
    states = random_play(game, game.reset(256), 8, rng.integers(2**63, size=256, dtype=np.uint64))
    states = states[~game.terminal(states)]
    expected = policy_player(NetworkEvaluator(game, reference))(states, rng)
    assert (make_player(game, "champion:0")(states, rng) == expected).mean() > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_thousand_weight_updates_take_no_memory(precision: str) -> None:
    game, settings = envs.make("connect_four"), NetworkSettings(blocks=2, channels=16)
    runtime = OpenVINORuntime(game, settings, precision=precision, threads=1)
    weights = PolicyValueNetwork(game, settings).state_dict()
    states = game.reset(64)

    def update(times: int) -> int:
        for _ in range(times):
            runtime.load(weights)
            for n in (64, 32, 8):  # two compiled for their size, one for any
                runtime.evaluate(game.observe(states[:n]), game.legal(states[:n]))
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096  # bytes resident

    settled = update(200)  # allocators have what they want
    assert update(1000) - settled < 32e6


def test_what_the_runtime_settings_leave_open() -> None:
    def names(**settings: str) -> list[str]:
        return [f"{c.engine} {c.precision}" for c in candidates(RuntimeSettings.model_validate(settings))]

    assert names(device="cpu", engine="torch") == ["torch fp32", "torch bf16"]
    assert names(device="cpu", precision="fp32") == ["torch fp32", "openvino fp32"]
    assert names(engine="openvino", precision="bf16") == ["openvino bf16"]
    assert names(precision="int8") == ["openvino int8"]
    with pytest.raises(ValueError, match="which OpenVINO computes"):
        names(engine="torch", precision="int8")
    with pytest.raises(ValueError, match="runs on the CPU"):
        names(engine="openvino", device="cuda")


def test_the_fastest_runtime_is_measured_once_on_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARENA_CACHE", str(tmp_path))
    game, network, asked = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=8), list[int]()

    def fastest(*_: object) -> str:
        asked.append(1)
        return "torch bf16"

    monkeypatch.setattr(runtime_module, "_fastest", fastest)
    settings = RuntimeSettings(device="cpu")
    for batch, again, times in ((8, False, 1), (8, False, 1), (9, False, 2), (8, True, 3)):
        chosen = resolve(game, network, settings, batch, again=again)
        assert (chosen.engine, chosen.precision, len(asked)) == ("torch", "bf16", times)
    (tmp_path / "choices.json").write_text("not what was written")
    assert resolve(game, network, settings, 8).precision == "bf16"
    assert len(asked) == 4


def test_a_thread_keeps_its_size_whatever_others_are_given_before_it_computes() -> None:
    """A run with runtime.threads=2 learned with one thread, that of its workers, which were made before its first step."""
    with ThreadPoolExecutor(1) as learner, ThreadPoolExecutor(1) as worker:
        learner.submit(set_threads, RuntimeSettings(threads=2)).result()
        worker.submit(set_threads, RuntimeSettings(threads=1)).result()
        assert learner.submit(torch.get_num_threads).result() == 2
        assert worker.submit(torch.get_num_threads).result() == 1
