"""What all tests share: no test reaches a network, a login or the user's folders."""

from __future__ import annotations

import pytest

import agents  # noqa: F401  # sets OpenMP's waiting policy before anything imports torch


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
