"""`arena` and `python -m arena`: the command line, and what becomes of errors there."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line. A mistake of the user's is one line and exit code 2, an interruption 130, no traceback."""
    from arena.cli import app

    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, ArithmeticError) as error:
        if os.environ.get("ARENA_DEBUG"):
            raise
        print(f"arena: {error}", file=sys.stderr)
        sys.exit(2)


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM as an exception, so that files and the tracker are closed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
