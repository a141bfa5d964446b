"""What a study leaves: pictures (PNG), tables (CSV, and on the terminal), one HTML page that needs nothing else, and W&B."""

from __future__ import annotations

import base64
import csv
import html
import io
import shutil
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents.files import write_atomically
from arena.tracking import Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "index.html"
DPI = 110  # of the pictures
WIDTH = 110  # letters of a table where nobody looks on: in a pipe
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } img { max-width: 100%; height: auto }
.table { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { border-bottom: 2px solid #888; font-weight: 600 }
p { max-width: 46rem }
"""


class Measured(NamedTuple):
    """A mean and half its 95% interval: one cell of a table, two columns of its file."""

    value: float
    error: float


Cell = str | int | float | Measured | None
Row = Mapping[str, Cell]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, in the style of all studies. ValueError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure as New
    except ImportError:
        raise missing("matplotlib") from None
    return New(figsize=(width, height), dpi=DPI, layout="constrained")


def missing(package: str) -> ValueError:
    """The error for an optional package that is not there."""
    return ValueError(f"this study needs {package}: pip install 'selfplay-arena[study]'")


class Report:
    """One study's folder. What is added appears at once on the terminal and in its file, `finish` writes the page."""

    def __init__(self, folder: Path, title: str, console: Console) -> None:
        """`folder` is made; what an earlier study of the same name left there goes."""
        if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).exists():
            raise ValueError(f"{folder} holds something that is no study: name another folder with --out")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_atomically(folder / PAGE, b"unfinished\n")  # a study that was stopped may be made again
        self.folder, self.title, self._console = folder, title, console
        if not console.is_terminal:
            console.width = WIDTH
        self._body: list[str] = []
        self._pictures: list[str] = []
        self._tables: list[str] = []
        self._figures: dict[str, float] = {}

    def note(self, text: str) -> None:
        """A line on the terminal alone."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def text(self, text: str) -> None:
        """A paragraph of the page."""
        self._body.append(f"<p>{html.escape(text)}</p>")

    def picture(self, name: str, figure: Figure, title: str, caption: str) -> None:
        """Write `figure` to NAME.png and show it under `title`; the caption says how to read it."""
        data = io.BytesIO()
        figure.savefig(data, format="png")
        write_atomically(self.folder / f"{name}.png", data.getvalue())
        self._pictures.append(f"{name}.png")
        coded = base64.b64encode(data.getvalue()).decode()
        self._body.append(
            f"<h2>{html.escape(title)}</h2>\n<p>{html.escape(caption)}</p>\n"
            f'<img alt="{html.escape(title)}" src="data:image/png;base64,{coded}">'
        )

    def table(self, name: str, rows: Sequence[Row], title: str, caption: str) -> None:
        """Write `rows`, which have the same keys, to NAME.csv, and show them. None is an empty cell."""
        columns = list(rows[0])
        flat = [_flat(row) for row in rows]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
        write_atomically(self.folder / f"{name}.csv", text.getvalue().encode())
        self._tables.append(f"{name}.csv")
        decimals = {column: _decimals([row[column] for row in rows]) for column in columns}
        shown = [[_cell(row[column], decimals[column]) for column in columns] for row in rows]
        table = Table(title=escape(title), box=SIMPLE_HEAD)
        for i, column in enumerate(columns):
            table.add_column(escape(column), justify="left" if i == 0 else "right", no_wrap=i > 0)
        for line in shown:
            table.add_row(*map(escape, line))
        self._console.print(table)
        head, *body = (
            "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line) + "</tr>"
            for tag, lines in (("th", [columns]), ("td", shown))
            for line in lines
        )
        self._body.append(
            f"<h2>{html.escape(title)}</h2>\n<p>{html.escape(caption)}</p>\n"
            f'<div class="table"><table>\n{head}\n' + "\n".join(body) + "\n</table></div>"
        )

    def figures(self, figures: Mapping[str, float]) -> None:
        """Numbers for W&B; arena/metrics.py explains each."""
        self._figures |= figures

    def finish(self, config: Mapping[str, Any], *, project: str | None = None) -> None:
        """Write the page, log the whole with `config` to W&B (offline unless WANDB_MODE says otherwise)."""
        options = ", ".join(f"{key} {value}" for key, value in config.items() if value is not None)
        page = (
            f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>{html.escape(self.title)}</title>\n'
            f"<style>{STYLE}</style></head>\n<body>\n<h1>{html.escape(self.title)}</h1>\n"
            f"<p>{html.escape(options)}</p>\n" + "\n".join(self._body) + "\n</body>\n</html>\n"
        )
        write_atomically(self.folder / PAGE, page.encode())
        tracker = Tracker.start(
            self.folder,
            name=self.folder.name,
            config=config,
            project=project,
            mode="auto",
            last_row=None,
            group="study",
        )
        row = {"iteration": 1, **self._figures, "pictures": self._pictures, "tables": self._tables}
        tracker.log(row)
        tracker.finish(0)
        self.note(f"report: {self.folder / PAGE}")


def _flat(row: Row) -> dict[str, str | int | float | None]:
    """The row as its file holds it, a measured cell in two columns."""
    flat: dict[str, str | int | float | None] = {}
    for column, cell in row.items():
        if isinstance(cell, Measured):
            flat |= {column: cell.value, f"{column} ±": cell.error}
        else:
            flat[column] = cell
    return flat


def _decimals(cells: Sequence[Cell]) -> int:
    """That the numbers of a column are shown with: about three figures of the largest."""
    measured = [number for cell in cells for number in (cell if isinstance(cell, Measured) else (cell,))]
    largest = max((abs(number) for number in measured if isinstance(number, float) and isfinite(number)), default=0.0)
    return 0 if largest >= 100 else 1 if largest >= 10 else 3


def _cell(cell: Cell, decimals: int) -> str:
    match cell:
        case None:
            return ""
        case Measured(value, error):
            return f"{_cell(value, decimals)} ±{_cell(error, decimals)}"
        case float():
            return f"{cell:z,.{decimals}f}"
        case int():
            return f"{cell:,}"
    return cell
