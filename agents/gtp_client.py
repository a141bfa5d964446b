"""A Go program as a subprocess, spoken to in the Go Text Protocol, version 2 (Farnebäck 2002). It never makes us hang.

Every answer is waited for so long and no longer; a program that is silent, dead or talks nonsense is killed, and started anew
for the next question.
"""

from __future__ import annotations

import contextlib
import queue
import shlex
import shutil
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

LINE = 4096  # characters of an answer that are kept


class EngineError(Exception):
    """The engine is of no more use: it crashed, hung or spoke no GTP. `kind` is "time" or "crash"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RefusedError(Exception):
    """The engine answered "?": it is well, and has said no."""


class Engine:
    """One process of the program `command`."""

    def __init__(self, command: str) -> None:
        """ValueError where there is no such program."""
        self._process: subprocess.Popen[str] | None = None
        self.arguments = arguments(command)
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask(self, question: str, seconds: float) -> str:
        """The answer, without its "=". RefusedError for "?", EngineError for none; the process is gone after that."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            self.kill()
            raise EngineError("time", f"no answer to '{question}' in {seconds:g} s") from None
        except OSError:
            answer = None
        if answer is None:
            self.kill()
            raise EngineError("crash", f"it ended when asked '{question}'")
        if answer[:1] not in ("=", "?"):
            self.kill()
            raise EngineError("crash", f"it answered '{question}' with '{answer[:60]}', which is no GTP")
        text = answer[1:].lstrip("0123456789").strip()
        if answer.startswith("?"):
            raise RefusedError(text)
        return text

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._process = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
            self._answers = queue.SimpleQueue()
            reader = threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True)
            reader.start()
        return self._process

    def __del__(self) -> None:
        self.kill()


def arguments(command: str) -> Sequence[str]:
    """`command` as a shell would split it, the program with its path. ValueError where there is none."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"'{command}' is no command: {error}") from None
    if not words:
        raise ValueError("name a program after gtp:, as in 'gtp:gnugo --mode gtp --level 10'")
    found = shutil.which(words[0]) or shutil.which(
        words[0], path="/usr/games:/usr/local/games"
    )  # where Debian has games
    if found is None:
        raise ValueError(f"there is no program '{words[0]}' to play: install it, or give its path")
    return [found, *words[1:]]


def _read(stream: IO[str], answers: queue.SimpleQueue[str | None]) -> None:
    """Collect answers, which end with an empty line, until the stream ends; then None. What begins no answer is one by itself: it
    may have no end.
    """
    lines: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        for line in iter(lambda: stream.readline(LINE), ""):
            text = line.rstrip()
            if text and not lines and text[0] not in "=?":
                answers.put(text)
            elif text:
                if len(lines) < LINE:
                    lines.append(text)
            elif lines:
                answers.put("\n".join(lines))
                lines = []
    if lines:
        answers.put("\n".join(lines))
    answers.put(None)
