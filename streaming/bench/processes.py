"""Processes of a benchmark, and its words."""

import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def in_child(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    """Call a function in a process of its own."""
    with processes(1) as pool:
        return pool.submit(function, *arguments).result()


def processes(number: int) -> ProcessPoolExecutor:
    """Return processes that call functions at the same time."""
    return ProcessPoolExecutor(
        number,
        mp_context=multiprocessing.get_context("spawn"),
        # As the command line does: libraries warn of what only their authors can mend.
        initializer=logging.captureWarnings,
        initargs=(True,),
    )


def goal_word(*, met: bool) -> str:
    """Say whether a goal is met."""
    return "met" if met else "missed"
