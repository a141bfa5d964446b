"""Workers in processes of this machine: Python's lock is each one's own, and one that dies costs nothing but time.

The processes come from a fork server: a fresh interpreter that has imported what is heavy, so that a new worker starts in a
fraction of a second and inherits no thread, no lock and no open file of the run. They share nothing: a share goes out through
a pipe, counts of finished games and the answer come back. A worker whose pipe closes has died, of whatever cause; another
takes its place and plays its share from the start, the very same games.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import NamedTuple

from arena.workers import Answer, Elsewhere, Job, Order, Parcel, Place, Played, Share, Tally, pack

HEAVY = ["numba", "torch"]  # libraries alone: our own code is imported by the worker, from where the run has it
LEAVE = 5.0  # seconds that a worker has to end by itself
DEATHS = 3  # of one worker in one iteration before it is no accident


class Hired(NamedTuple):
    process: ForkServerProcess
    pipe: Connection


class Processes(Elsewhere):
    """A process a worker, each of which plays the same share of every iteration."""

    def __init__(self, jobs: Sequence[Job], note: Callable[[str], None] = lambda text: None) -> None:
        super().__init__(jobs)
        self._note = note
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(HEAVY)
        self._hired = [self._hire() for _ in jobs]

    def play(self, order: Order, progress: Callable[[int], None] = lambda games: None) -> Played:
        start, parcel, tally = time.perf_counter(), pack(order), Tally(progress)
        answers: dict[int, Answer] = {}
        deaths = Counter[int]()
        try:
            for number in range(len(self.jobs)):
                self._give(number, parcel)
            while len(answers) < len(self.jobs):
                pipes = {self._hired[i].pipe: i for i in range(len(self.jobs)) if i not in answers}
                for pipe in wait(list(pipes)):
                    number = pipes[pipe]  # type: ignore[index]  # what was given to wait
                    match self._hear(number):
                        case None:
                            deaths[number] += 1
                            self._replace(number, deaths[number])
                            self._give(number, parcel)
                        case int(games):
                            tally.hear(number, games)
                        case Answer() as answer:
                            answers[number] = answer
                        case error:
                            raise error
        except BaseException:  # Ctrl-C arrives here while they still play
            self.close()
            raise
        return self.merge(answers, time.perf_counter() - start)

    def close(self) -> None:
        for hired in self._hired:
            hired.pipe.close()  # they see it, idle or in the middle of a share, and leave in order
        for hired in self._hired:
            hired.process.join(LEAVE)
            hired.process.kill()  # they hold nothing that is not here as well
            hired.process.join()
        self._hired = []

    def _hire(self) -> Hired:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs,), daemon=True)
        resource_tracker.ensure_running()  # else the start would, and lets Ctrl-C through again
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the fork server inherits that
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        theirs.close()  # so that the pipe ends with the worker
        return Hired(process, ours)

    def _give(self, number: int, parcel: Parcel) -> None:
        """Send a worker its share. One that is dead is noticed when it is heard."""
        with suppress(OSError):
            self._hired[number].pipe.send((self.share(number), parcel))

    def _hear(self, number: int) -> int | Answer | Exception | None:
        """What a worker says: games finished so far, its answer, what went wrong. None: it is dead."""
        try:
            message: int | Answer | Exception = self._hired[number].pipe.recv()
        except (EOFError, OSError):
            return None
        return message

    def _replace(self, number: int, deaths: int) -> None:
        process, pipe = self._hired[number]
        pipe.close()
        process.join()
        cause = f"signal {-code}" if (code := process.exitcode or 0) < 0 else f"exit code {code}"
        if deaths == DEATHS:
            raise ChildProcessError(
                f"worker {number} died {deaths} times in one iteration, the last time by {cause}: if memory ran out, "
                f"set workers.count below {len(self.jobs)} or selfplay.slots lower"
            )
        self._note(f"worker {number} died ({cause}): another one plays its share again, the same games")
        self._hired[number] = self._hire()


def work(pipe: Connection) -> None:
    """The life of a worker process: play what comes through the pipe, until its end or the run's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's, which ends its workers
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    place = Place()
    with suppress(EOFError, OSError):  # the run has ended, maybe in the middle of a message
        while True:
            share, parcel = pipe.recv()
            pipe.send(_answer(place, share, parcel, pipe))


def _answer(place: Place, share: Share, parcel: Parcel, pipe: Connection) -> Answer | Exception:
    finished = 0

    def heard(games: int) -> None:
        nonlocal finished
        if pipe.poll():  # while a share is played, nothing comes but the end of the run
            raise EOFError
        if games:
            finished += games
            pipe.send(finished)

    try:
        return place.play(share, parcel, heard)
    except Exception as error:  # it is raised again in the run
        sent = _portable(error)
        sent.add_note(f"in a worker: {traceback.format_exc()}")
        return sent


def _portable(error: Exception) -> Exception:
    """`error`, or where it would not come out of the pipe as it went in, one that says its name and words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class does when it is taken apart or put together
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_the_run() -> None:
    """Even a run that was killed leaves no worker behind, whatever that is doing."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
