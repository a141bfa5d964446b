"""Checkpoints: everything a run needs to go on as if it had never stopped.

    RUN/config.yaml                        the experiment, every default written out
    RUN/checkpoints/000012/learner.safetensors   network, averaged network, optimiser
                           selfplay.safetensors  games under way, if any
                           best.safetensors      the network that plays, where a gate keeps it
                           state.json            counters, ratings, the iteration's metrics, hashes of all files
    RUN/replay/000012.safetensors          the samples of one iteration
    RUN/agents/000012.safetensors          a rated agent, ready to play

A checkpoint is written beside its place, forced to disk and renamed, so it is there whole or not at all; its hashes tell
a damaged one, and the one before it is used instead. Random generators need no saving: each is made from (seed,
iteration, purpose).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray
from torch import Tensor

from agents.files import write_atomically
from arena.replay import Samples

LEARNER, SELFPLAY, BEST, STATE = "learner.safetensors", "selfplay.safetensors", "best.safetensors", "state.json"


class Checkpoint(NamedTuple):
    """A checkpoint read back."""

    iteration: int
    learner: dict[str, Tensor]
    selfplay: dict[str, NDArray[np.generic]]
    best: dict[str, Tensor]
    replay: dict[int, Samples]  # by iteration
    state: dict[str, Any]


class Manifest(NamedTuple):
    """SHA-256 of all that a checkpoint is made of."""

    files: dict[str, str]  # by name in its folder
    replay: dict[str, str]  # the samples of its window, by iteration


def save(
    run: Path,
    iteration: int,
    *,
    learner: dict[str, Tensor],
    state: dict[str, Any],
    keep: int,
    selfplay: dict[str, NDArray[np.generic]] | None = None,
    best: dict[str, Tensor] | None = None,
    samples: Samples | None = None,
    window: Sequence[int] = (),
) -> None:
    """Write the checkpoint of `iteration` and its samples; drop checkpoints and samples no longer needed.

    `window` lists the iterations whose samples the replay still holds, this one among them where `samples` are given.
    OSError if the disk is full: what was there stays.
    """
    place = _place(run, iteration)
    files = {LEARNER: safetensors.torch.save(learner)}
    if selfplay is not None:
        files[SELFPLAY] = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in selfplay.items()})
    if best:
        files[BEST] = safetensors.torch.save(best)
    hashes = {name: _hash(data) for name, data in files.items()}
    replay = {} if not (older := _read_json(_newest(run))) else older["replay"]
    if samples is not None:
        rows = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in samples.arrays().items()})
        (run / "replay").mkdir(parents=True, exist_ok=True)
        write_atomically(_samples_file(run, iteration), rows)
        replay[str(iteration)] = _hash(rows)
    state = state | {"iteration": iteration, "hashes": hashes, "replay": {str(i): replay[str(i)] for i in window}}
    files[STATE] = json.dumps(state, indent=1).encode()

    temporary = place.with_name(f".{place.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for name, data in files.items():
            write_atomically(temporary / name, data)
        shutil.rmtree(place, ignore_errors=True)
        temporary.rename(place)
        _sync_directory(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _tidy(run, keep)


def manifest(run: Path, iteration: int) -> Manifest:
    """What the checkpoint of `iteration` is made of. ValueError where there is none."""
    state = _read_json(_place(run, iteration))
    if state is None:
        raise ValueError(f"there is no checkpoint {_place(run, iteration)}")
    return Manifest(state["hashes"], state["replay"])


def newest(run: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and a line about every newer one that is not. (None, ...) if there is none."""
    problems: list[str] = []
    for place in reversed(_places(run)):
        try:
            return _read(run, place), problems
        except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
            problems.append(f"checkpoint {place} is damaged ({error}); falling back to the one before it")
    return None, problems


def discard_after(run: Path, iteration: int) -> None:
    """Remove checkpoints and agents later than `iteration`: the run goes on from there and makes them again.

    Files that a kill left half written go too.
    """
    for place in _places(run):
        if int(place.name) > iteration:
            shutil.rmtree(place)
    for path in (run / "agents").glob("*.safetensors"):
        if path.stem.isdigit() and int(path.stem) > iteration:
            path.unlink()
    for folder in ("agents", "replay"):
        for path in (run / folder).glob(".*.tmp"):
            path.unlink()


def _read(run: Path, place: Path) -> Checkpoint:
    state = _read_json(place)
    if state is None:
        raise ValueError(f"{STATE} is missing or unreadable")
    data = {name: _checked(place / name, digest) for name, digest in state["hashes"].items()}
    replay = {int(i): _checked(_samples_file(run, int(i)), digest) for i, digest in state["replay"].items()}
    return Checkpoint(
        iteration=state["iteration"],
        learner=safetensors.torch.load(data[LEARNER]),
        selfplay=safetensors.numpy.load(data[SELFPLAY]) if SELFPLAY in data else {},
        best=safetensors.torch.load(data[BEST]) if BEST in data else {},
        replay={i: Samples.from_arrays(safetensors.numpy.load(rows)) for i, rows in sorted(replay.items())},
        state=state,
    )


def _place(run: Path, iteration: int) -> Path:
    return run / "checkpoints" / f"{iteration:06d}"


def _samples_file(run: Path, iteration: int) -> Path:
    return run / "replay" / f"{iteration:06d}.safetensors"


def _places(run: Path) -> list[Path]:
    """Folders of checkpoints, oldest first."""
    return sorted(p for p in (run / "checkpoints").glob("*") if p.name.isdigit())


def _newest(run: Path) -> Path | None:
    places = _places(run)
    return places[-1] if places else None


def _read_json(place: Path | None) -> dict[str, Any] | None:
    if place is None:
        return None
    try:
        state = json.loads((place / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _checked(path: Path, digest: str) -> bytes:
    """The bytes of `path`; ValueError unless they hash to `digest`."""
    data = path.read_bytes()
    if _hash(data) != digest:
        raise ValueError(f"{path.name} does not match its hash")
    return data


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _tidy(run: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, and samples that none of those needs."""
    places = _places(run)
    for place in places[:-keep]:
        shutil.rmtree(place)
    needed = {int(i) for place in places[-keep:] if (state := _read_json(place)) for i in state["replay"]}
    for path in (run / "replay").glob("*.safetensors"):
        if int(path.stem) not in needed:
            path.unlink()


def _sync_directory(path: Path) -> None:
    """Force a rename in `path` to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
