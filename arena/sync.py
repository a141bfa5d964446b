"""`arena sync`: send what runs without a network or a login have written to Weights & Biases."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path


def offline_parts(run: Path) -> list[Path]:
    """The offline W&B folders of a run's folder, or of every run below it, oldest first. ValueError if there is none."""
    if not run.is_dir():
        raise ValueError(f"{run}: no such folder")
    found = sorted(run.glob("**/wandb/offline-run-*"), key=lambda path: path.name)
    if not found:
        raise ValueError(f"{run} holds no offline W&B run")
    return found


def sync(run: Path) -> None:
    """Upload with W&B's own command, oldest part first, so that the parts of a resumed run come in order.

    What has been sent is not sent again. ValueError without a login, before anything is tried, or where it fails.
    """
    parts = offline_parts(run)
    wandb = importlib.import_module("wandb")
    if not wandb.login(prompt=False, verify=False):
        raise ValueError("not logged in to Weights & Biases: set WANDB_API_KEY or run `wandb login`")
    done = subprocess.run([sys.executable, "-m", "wandb", "sync", *map(str, parts)], check=False)
    if done.returncode:
        raise ValueError(f"`wandb sync` failed (exit code {done.returncode}); nothing is lost, try again later")
