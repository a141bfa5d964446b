"""What was measured once on this machine, remembered for the next time: which way to run a network is the fastest.

A choice belongs to what decides it (the network, the batch, the libraries, the processor); where any of that is different,
it is measured anew. The file lies in the user's cache folder (`envs.jit.cache_folder`) and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from envs.jit import cache_folder


def recall(question: dict[str, Any]) -> str | None:
    """The answer remembered to `question`, None where there is none."""
    return _answers().get(_key(question))


def remember(question: dict[str, Any], answer: str) -> None:
    """Keep `answer`. A folder that cannot be written is no reason to stop: then it is measured again next time."""
    file = _file()
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({**_answers(), _key(question): answer}, indent=1))
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)


def _file() -> Path:
    return cache_folder() / "choices.json"


def _answers() -> dict[str, str]:
    try:
        answers = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def _key(question: dict[str, Any]) -> str:
    everything = {**question, "machine": [platform.machine(), _processor(), os.cpu_count()]}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def _processor() -> str:
    """The processor's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
