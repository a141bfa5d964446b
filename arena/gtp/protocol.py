"""The form of the Go Text Protocol: commands in, one a line, answers out. What a command does is the engine's business."""

from __future__ import annotations

import inspect
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

LONGEST_LINE = 1 << 16  # characters; what is beyond them is not read as a command
LONGEST_NUMBER = 9  # digits of a command's number

Answer = str | Iterator[str]  # an iterator reports until the next command comes, or has said all
Command = Callable[..., Answer]  # given the command's words


class GTPError(Exception):
    """What the engine answers after a question mark."""


class Conversation:
    """Reads commands in a thread of its own, so that one that comes while another is answered is noticed."""

    def __init__(self, source: TextIO, out: TextIO) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._source, self._out = source, out
        self.over = False  # set it to end the conversation after this answer

    def waiting(self) -> bool:
        """Whether another line has come."""
        return not self._lines.empty()

    def run(self, commands: Mapping[str, Command]) -> None:
        """Answer the commands of the source until it ends, nobody listens any more, or the conversation is over."""
        threading.Thread(target=self._read, daemon=True).start()
        while not self.over and (line := self._lines.get()) is not None:
            number, words = parsed(line)
            if not words:
                continue
            try:
                for text in _answer(commands, number, words):
                    self._out.write(text)
                    self._out.flush()
            except BrokenPipeError:
                return

    def _read(self) -> None:
        try:
            while line := self._source.readline(LONGEST_LINE):
                self._lines.put(line)
                while not line.endswith("\n") and (line := self._source.readline(LONGEST_LINE)):
                    pass  # the rest of an endless line
        finally:
            self._lines.put(None)


def parsed(line: str) -> tuple[str, list[str]]:
    r"""The number of the command in `line`, empty where it has none, and its words: none in a comment.

    >>> parsed("12 play\tb\r E5 # the middle\n"), parsed("# nothing\n")
    (('12', ['play', 'b', 'E5']), ('', []))
    """
    told = line.partition("#")[0].replace("\t", " ")
    words = "".join(c for c in told if c.isprintable()).split()
    first = words[0] if words else ""
    number = first if first.isascii() and first.isdecimal() and len(first) <= LONGEST_NUMBER else ""
    return number, words[1:] if number else words


def _answer(commands: Mapping[str, Command], number: str, words: list[str]) -> Iterator[str]:
    """The answer in pieces, ended by an empty line."""
    try:
        command = commands.get(words[0])
        if command is None:
            raise GTPError("unknown command")
        try:
            inspect.signature(command).bind(*words[1:])
        except TypeError:
            raise GTPError("syntax error") from None
        answer = command(*words[1:])
        first = answer if isinstance(answer, str) else next(answer)  # what is wrong shows before the first report
    except GTPError as refusal:
        yield f"?{number} {refusal}\n\n"
        return
    if isinstance(answer, str):
        yield f"={number} {first}".rstrip(" ") + "\n\n"
        return
    yield f"={number}\n"
    for report in itertools.chain([first], answer):
        if report:  # an empty line would end the answer
            yield report + "\n"
    yield "\n"
