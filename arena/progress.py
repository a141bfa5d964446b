"""What a person sees while a run works: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

UNITS = {
    "selfplay": "games",
    "league": "games",
    "gate": "games",
    "train": "steps",
    "rate": "rating games",
    "save": "",
    "records": "games",
    "rollout": "epochs",
    "reinforce": "games",
    "positions": "games",
    "table": "games",
}


class Progress(Protocol):
    """Hears how a run gets on."""

    def phase(self, name: str, total: int) -> None: ...
    def advance(self, count: int) -> None: ...
    def finished(self, row: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    """Shows nothing but notes; for tests and other programs."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def phase(self, name: str, total: int) -> None: ...
    def advance(self, count: int) -> None: ...
    def finished(self, row: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


class Display:
    """The iteration's phase with a bar, its speed, and one line per finished iteration above it."""

    def __init__(self, console: Console, *, iterations: int = 0) -> None:
        """`iterations` of the whole run; 0 where its phases have each their own."""
        self.console, self.iterations = console, iterations
        self._bars = Bars(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._run = self._bars.add_task("run", total=iterations, speed="", visible=iterations > 0)
        self._now = self._bars.add_task("", total=1, speed="")
        self._live = Live(self._bars, console=console, refresh_per_second=4, transient=True)
        self._interactive = console.is_terminal
        self._started = time.perf_counter()
        self._name = ""
        self._count = 0
        self._iteration = 0

    def __enter__(self) -> Self:
        if self._interactive:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._interactive:
            self._live.stop()

    def phase(self, name: str, total: int) -> None:
        self._name, self._count, self._started = name, 0, time.perf_counter()
        label = f"iteration {self._iteration + 1}: {name}" if self.iterations else name
        self._bars.reset(self._now, total=total or None, description=label, speed="")

    def advance(self, count: int) -> None:
        self._count += count
        seconds = time.perf_counter() - self._started
        speed = f"{self._count / seconds:,.0f} {UNITS[self._name]}/s" if seconds > 0.5 else ""
        self._bars.update(self._now, advance=count, speed=speed)

    def resuming(self, iteration: int) -> None:
        """The run goes on after `iteration`."""
        self.note(f"resuming after iteration {iteration}")
        self._behind(iteration)

    def finished(self, row: dict[str, Any]) -> None:
        self._behind(int(row["iteration"]))
        self.console.print(summary(row, self.iterations), highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _behind(self, iteration: int) -> None:
        self._iteration = iteration
        self._bars.update(self._run, completed=iteration)


def summary(row: dict[str, Any], iterations: int) -> str:
    """One line about a finished iteration."""
    left = row["seconds"] / row["iteration"] * (iterations - row["iteration"])
    parts = [f"{row['iteration']:>4}/{iterations}" if iterations else f"{row['iteration']:>5}"]
    if "games" in row:
        parts.append(f"{row['games']:>7,} games")
    if "loss/policy" in row:
        parts.append(f"loss {row['loss/policy']:.3f} + {row['loss/value']:.3f}")
    if "test/policy_top1" in row:
        parts.append(f"held out: move {row['test/policy_top1']:.1%}, value MSE {row['test/value_mse']:.3f}")
    if "reinforce/score" in row:
        parts.append(f"scores {row['reinforce/score']:.1%} against earlier selves")
    if "selfplay/games_per_second" in row:
        parts.append(f"{row['selfplay/games_per_second']:5.1f} games/s")
    if "selfplay/simulations_per_second" in row:
        parts.append(f"{row['selfplay/simulations_per_second']:>7,.0f} sims/s")
    parts.append(f"{row['seconds'] / 60:5.1f} min" + (f", {left / 60:.1f} left" if iterations else ""))
    if "rating/elo" in row:
        parts.append(f"Elo {row['rating/elo']:.0f} [{row['rating/elo_low']:.0f}, {row['rating/elo_high']:.0f}]")
    if "keep/search" in row:
        parts.append(f"keeps {row['keep/policy']:.1%} raw, {row['keep/search']:.1%} searched")
    return "  ".join(parts)
