"""Energy and CO2e of a run, estimated by codecarbon: an optional extra (`pip install codecarbon`) that sends and writes nothing.

Where the processor counts its energy (RAPL) and the user may read that, codecarbon does; elsewhere it takes the load of this
process and its children times the processor's nominal power, 4 W a core where it does not know the model, and a fixed
power for memory. Virtual machines mostly have no counters: their figures are good for comparing runs on one machine, and for
little else. CO2e is energy times the carbon intensity of the country's grid.

codecarbon needs seconds to start, so it starts beside the run, in a thread; what it has not seen by then is not counted.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import util
from typing import Any, NamedTuple

from pydantic import Field

from agents.section import Section

EVERY = 15.0  # seconds between codecarbon's looks at the load
WORLD = 475.0  # g CO2e a kWh, the world's average (IEA, Global Energy & CO2 Status Report 2019)
PATIENCE = 10.0  # seconds that the end of a run waits for a codecarbon that is still starting


class FootprintSettings(Section):
    """Whether energy and CO2e are estimated."""

    enabled: bool = Field(True, description="estimate them, where codecarbon is installed")
    country: str | None = Field(
        None,
        pattern="^[A-Z]{3}$",
        description="whose grid, as ISO 3166 has it: DEU, FRA, USA; null: the world's average",
    )


class Footprint(NamedTuple):
    """What a run has used so far, over all resumptions."""

    kwh: float = 0.0
    co2e_kg: float = 0.0

    def figures(self, elo: float | None = None) -> dict[str, float]:
        """Metrics; `elo` is the newest agent's, where it was rated. Empty where nothing was estimated."""
        if self.kwh == 0:
            return {}
        known = {"footprint/kwh": self.kwh, "footprint/co2e_kg": self.co2e_kg}
        return known if elo is None else known | {"footprint/elo_per_kwh": elo / self.kwh}


class Meter:
    """Estimates from `start` on. Whatever goes wrong in codecarbon is reported once and ends the estimates, never the run."""

    def __init__(self, settings: FootprintSettings, note: Callable[[str], None]) -> None:
        self.settings = settings
        self._note = note
        self._before = Footprint()  # of earlier resumptions
        self._tracker: Any = None
        self._latest: Any = None  # codecarbon's totals
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread; a word to the user where codecarbon is not installed."""
        if not self.settings.enabled:
            return
        if util.find_spec("codecarbon") is None:
            self._note("energy is not estimated: pip install codecarbon, or set footprint.enabled to false")
            return
        self._thread = threading.Thread(target=self._guarded, args=(self._start,), name="footprint", daemon=True)
        self._thread.start()

    def ready(self) -> bool:
        """Wait until codecarbon has started; whether it estimates."""
        if self._thread is not None:
            self._thread.join()
        return self._tracker is not None

    def read(self) -> Footprint:
        """The total so far."""
        if self._tracker is not None:
            self._guarded(self._look)
        if self._latest is None:
            return self._before
        return Footprint(self._before.kwh + self._latest.energy_consumed, self._before.co2e_kg + self._latest.emissions)

    def stop(self) -> None:
        """Leave no thread behind; the total stays."""
        if self._thread is not None:
            self._thread.join(timeout=PATIENCE)
        if self._tracker is not None:
            self._guarded(self._tracker.stop)
            self._tracker = None

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `read` returned, as a dictionary."""
        self._before = Footprint(**state)

    def _start(self) -> None:
        codecarbon = importlib.import_module("codecarbon")
        logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # or it would write across the progress display
        base = importlib.import_module("codecarbon.output_methods.base_output").BaseOutput
        heard = type("Heard", (base,), {"out": lambda _, total, delta: self._hear(total)})
        grid = (
            {"country_iso_code": self.settings.country}
            if self.settings.country
            else {"force_carbon_intensity_g_co2e_kwh": WORLD}
        )
        tracker = codecarbon.OfflineEmissionsTracker(
            **grid,
            tracking_mode="process",
            measure_power_secs=EVERY,
            output_methods=[],
            output_handlers=[heard()],
            allow_multiple_runs=True,
            log_level="critical",
        )
        tracker.start()
        self._tracker = tracker

    def _look(self) -> None:
        self._tracker.flush()
        if self._latest is None:  # it keeps its own errors to itself
            raise RuntimeError("it measures nothing on this machine")

    def _hear(self, total: Any) -> None:
        self._latest = total

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:  # it reads files of the system and asks other programs: anything can go wrong
            broken, self._tracker = self._tracker, None
            if broken is not None:
                with suppress(Exception):  # what is wrong is told below
                    broken.stop()  # or its threads would go on looking
            self._note(f"energy is not estimated: codecarbon failed ({' '.join(str(error).split())})")
