"""Energy and CO2e: estimated where codecarbon is there, left out with a word where it is not, never in a run's way."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from arena import footprint
from arena.alphago.spent import Account
from arena.config import Config
from arena.footprint import WORLD, Footprint, FootprintSettings, Meter
from arena.settings import SettingsError, find_config, load


@pytest.mark.skipif(footprint.util.find_spec("codecarbon") is None, reason="codecarbon is not installed")
def test_energy_is_counted_over_all_resumptions_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # whoever asked the network would fail
    notes: list[str] = []
    total, kwh = Footprint(), 0.0
    for _ in range(2):
        meter = Meter(FootprintSettings(), notes.append)
        meter.restore(json.loads(json.dumps(total._asdict())))
        meter.start()
        assert meter._thread is not None
        meter._thread.join()
        sum(range(3_000_000))
        total = meter.read()
        meter.stop()
        assert total.kwh > kwh
        assert total.co2e_kg == pytest.approx(total.kwh * WORLD / 1000)
        assert meter.read().kwh >= total.kwh, "stopped, the total is still known"
        kwh = total.kwh
    assert notes == []
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_in_codecarbon_is_told_once_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**settings: object) -> None:
        raise OSError("no such counter")

    broken = SimpleNamespace(OfflineEmissionsTracker=fails, BaseOutput=object)
    monkeypatch.setattr(footprint.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib, "import_module", lambda name: broken)
    notes: list[str] = []
    meter = Meter(FootprintSettings(), notes.append)
    meter.restore({"kwh": 0.5, "co2e_kg": 0.2})
    meter.start()
    meter.stop()
    assert notes == ["energy is not estimated: codecarbon failed (no such counter)"]
    assert meter.read() == (0.5, 0.2), "what was known stays"


def test_a_codecarbon_that_fails_in_the_middle_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads went on measuring for nobody until the end of the run."""

    class Failing:
        running = False

        def __init__(self, **settings: object) -> None:
            started.append(self)

        def start(self) -> None:
            self.running = True

        def flush(self) -> None:
            raise OSError("counters are gone")

        def stop(self) -> None:
            self.running = False

    started = list[Failing]()
    fake = SimpleNamespace(OfflineEmissionsTracker=Failing, BaseOutput=object)
    monkeypatch.setattr(footprint.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib, "import_module", lambda name: fake)
    notes: list[str] = []
    meter = Meter(FootprintSettings(), notes.append)
    meter.start()
    assert meter.ready()
    assert started[0].running
    assert meter.read() == Footprint()
    assert not started[0].running
    assert notes == ["energy is not estimated: codecarbon failed (counters are gone)"]


def test_without_codecarbon_there_is_a_word_and_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint.util, "find_spec", lambda name: None)
    notes: list[str] = []
    meter = Meter(FootprintSettings(), notes.append)
    meter.start()
    meter.stop()
    assert "pip install codecarbon" in notes[0]
    assert meter.read().figures(elo=100.0) == {}
    off = Meter(FootprintSettings(enabled=False), notes.append)
    off.start()
    assert len(notes) == 1


def test_a_stage_is_charged_what_was_used_in_it_over_all_its_resumptions(tmp_path: Path) -> None:
    meter = Meter(FootprintSettings(enabled=False), lambda text: None)
    meter.restore({"kwh": 0.5, "co2e_kg": 0.2})  # of the stages before
    account = Account(tmp_path, meter)
    assert set(account.figures()) == {"seconds"}, "nothing was used yet"
    meter.restore({"kwh": 0.7, "co2e_kg": 0.3})
    first = account.figures()
    assert first["footprint/kwh"] == pytest.approx(0.2)
    again = Meter(FootprintSettings(enabled=False), lambda text: None)  # killed, and resumed by another process
    account = Account(tmp_path, again)
    again.restore({"kwh": 0.1, "co2e_kg": 0.05})
    found = account.figures()
    assert found["footprint/kwh"] == pytest.approx(0.3)
    assert found["footprint/co2e_kg"] == pytest.approx(0.15)
    assert found["seconds"] > first["seconds"]


def test_elo_per_kwh_is_there_where_an_agent_was_rated() -> None:
    assert Footprint(0.5, 0.2).figures() == {"footprint/kwh": 0.5, "footprint/co2e_kg": 0.2}
    assert Footprint(0.5, 0.2).figures(1000.0)["footprint/elo_per_kwh"] == 2000.0


def test_a_country_is_three_letters() -> None:
    assert load(Config, find_config("tictactoe"), ["footprint.country=DEU"]).footprint.country == "DEU"
    with pytest.raises(SettingsError, match=r"footprint.country"):
        load(Config, find_config("tictactoe"), ["footprint.country=Germany"])
