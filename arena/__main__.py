"""`arena` and `python -m arena`: the command line, and what becomes of errors there."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType

PLACED = warnings.formatwarning  # with file, line and source


def main() -> None:
    """Run the command line. A mistake of the user's is one line and exit code 2, want of memory one line and 1, an interruption
    130. A mistake of the program's keeps its traceback, and every other does where ARENA_DEBUG is set.
    """
    from arena.cli import app

    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started us: nothing to read, nobody to tell
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # as long as the process
    signal.signal(signal.SIGTERM, _terminate)
    warnings.formatwarning = _warned
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        memory = _is_want_of_memory(error)
        if os.environ.get("ARENA_DEBUG") or not (memory or isinstance(error, (ValueError, OSError, ArithmeticError))):
            raise
        print(f"arena: {_too_large(error) if memory else _in_words(error)}", file=sys.stderr)
        sys.exit(1 if memory else 2)


def _is_want_of_memory(error: Exception) -> bool:
    """Whether memory ran out. On a CPU torch says so in a plain RuntimeError, on a GPU in one of its own; neither needs torch."""
    texts = ("can't allocate memory", "out of memory")
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and any(text in str(error) for text in texts))
    )


def _in_words(error: Exception) -> str:
    """What happened; of a file its name first, without the system's number, and of a full disk what to do."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    told = error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{told}: make room and go on, nothing that was saved is lost" if full else told


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What the package itself warns of is one line for its user; other warnings keep their place in the source."""
    if category is UserWarning and Path(__file__).parent in Path(filename).parents:
        return f"arena: {message}\n"
    return PLACED(message, category, filename, lineno, line)


def _too_large(error: Exception) -> str:
    """What to do about it, and what was asked for."""
    said = " ".join((str(error) or "no more to be had").split()).partition(" and data type")[0]
    return (
        "memory ran out. In training fewer games side by side (selfplay.slots), smaller batches (train.batch) or a smaller "
        f"network need less; elsewhere fewer simulations, or a lower --parallel. ({said[:200]})"
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM as an exception, so that files and the tracker are closed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
