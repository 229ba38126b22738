"""Prepares the history of several sources at the same time, each in a process of its own."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection

from features.errors import SamestreamError
from streaming.intake.history_log import HistoryLog, HistoryRequest, write_history_log


class HistoryWorkerError(SamestreamError, ChildProcessError):
    """A process that prepared history was killed."""


class HistoryWorkers:
    """Runs `write_history_log` for each request, beside the caller; a context manager.

    Leaving it ends what still runs.
    """

    def __init__(self, requests: Iterable[HistoryRequest]) -> None:
        """Describe the work; nothing is started."""
        self._context = multiprocessing.get_context("spawn")
        self._requests = tuple(requests)
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._answers: dict[str, Connection] = {}

    def __enter__(self) -> "HistoryWorkers":
        """Start every process."""
        for request in self._requests:
            mine, its = self._context.Pipe(duplex=False)
            process = self._context.Process(target=_work, args=(request, its), daemon=True)
            process.start()
            its.close()
            self._processes.append(process)
            self._answers[request.source.name] = mine
        return self

    def __exit__(self, *error: object) -> None:
        """End every process."""
        for process in self._processes:
            process.terminate()
            process.join()
        for answer in self._answers.values():
            answer.close()

    def logs(self) -> Mapping[str, HistoryLog]:
        """Wait for all of them; return what became of each source, by its name.

        Raises:
            SamestreamError: What `write_history_log` raised, or one was killed.
        """
        return {name: self._log(name, answer) for name, answer in self._answers.items()}

    def _log(self, name: str, answer: Connection) -> HistoryLog:
        try:
            log = answer.recv()
        except EOFError:
            msg = f"history of {name}: the process that prepared it was killed"
            raise HistoryWorkerError(msg) from None
        if isinstance(log, HistoryLog):
            return log
        raise log


def _work(request: HistoryRequest, answer: Connection) -> None:
    """Answer with a `HistoryLog`, or with the error."""
    # Ctrl-C at the terminal is for the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result: HistoryLog | Exception = write_history_log(request)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        result = error
    with suppress(BrokenPipeError):
        answer.send(result)


def _end_with_parent() -> None:
    """A parent that is killed cannot end its children."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
