"""What all tests share: no test reaches a network, a login or the user's folders."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

import agents  # noqa: F401  # sets OpenMP's waiting policy before anything imports torch

# isort: split
import torch


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Networks as small as those of tests gain nothing from a second thread, and lose much where other programs use the cores."""
    threads = torch.get_num_threads()
    if request.node.get_closest_marker("strength") is None:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def without_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    """PettingZoo needs it to draw, never to play."""
    monkeypatch.setitem(sys.modules, "pygame", types.ModuleType("pygame"))
