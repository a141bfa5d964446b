"""What a stage has spent: working time, energy and CO2e over all resumptions, work that a kill cost included.

STAGE/spent.json   the total, written with every row and at the end
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from agents.files import write_atomically
from arena.footprint import Footprint, Meter

FILE = "spent.json"


class Account:
    """A stage's account from now on. `meter` counts for the whole process, stage after stage."""

    def __init__(self, folder: Path, meter: Meter) -> None:
        self._file, self._meter = folder / FILE, meter
        self._start, self._used = time.perf_counter(), meter.read()
        self._before = json.loads(self._file.read_bytes()) if self._file.exists() else {}

    def figures(self) -> dict[str, float]:
        """The total so far as metrics, which are also written to the stage's folder. No energy where none is estimated."""
        used, before = self._meter.read(), self._before
        known = Footprint(
            before.get("footprint/kwh", 0.0) + used.kwh - self._used.kwh,
            before.get("footprint/co2e_kg", 0.0) + used.co2e_kg - self._used.co2e_kg,
        )
        found = {"seconds": before.get("seconds", 0.0) + time.perf_counter() - self._start} | known.figures()
        write_atomically(self._file, json.dumps(found).encode())
        return found
