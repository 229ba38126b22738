"""The finished chunks of a batch prediction, from which an interrupted one continues."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.directory_lock import directory_lock
from features.errors import SamestreamError

_PLAN_FILE = "job.json"


class BatchJobError(SamestreamError, RuntimeError):
    """A batch prediction that another process is making."""


@dataclass(frozen=True, kw_only=True)
class BatchJob:
    """A batch prediction that has begun, now or in an earlier run.

    Attributes:
        directory: of the chunks, which nobody else shall see.
        pinned: what the run that began it found and every later one takes over.
        changed: terms in which an interrupted job was another one; it was thrown away.
        continued: how many chunks an earlier run of this job has left.
    """

    directory: Path
    pinned: Mapping[str, Any]
    changed: tuple[str, ...]
    continued: int

    def chunks(self) -> list[Path]:
        """Files of the finished chunks, in order."""
        return _finished(self.directory)

    def keep(self, number: int, chunk: pa.Table) -> None:
        """Write a chunk to disk; it is finished or it is not there."""
        with written_whole(_chunk_path(self.directory, number)) as temporary:
            pq.write_table(chunk, str(temporary))


@contextmanager
def begun_job(out: Path, terms: Mapping[str, Any], pinned: Mapping[str, Any]) -> Iterator[BatchJob]:
    """Begin a job, or go on with an interrupted one of the same terms; remove it when it is done.

    An error leaves it behind, so that another run can go on.

    Args:
        out: file that the job will write; the chunks are in a hidden directory beside it.
        terms: all that the chunks depend on, as JSON has it.
        pinned: what a job keeps as it was when it began, as JSON has it.

    Raises:
        BatchJobError: Another process is at it.
    """
    directory = out.with_name(f".{out.name}.predict")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with directory_lock(directory, wait=False):
            yield _begin(directory, terms, pinned)
            shutil.rmtree(directory)
    except BlockingIOError as error:
        msg = f"{out}: another `samestream predict` is writing it; wait for its end"
        raise BatchJobError(msg) from error


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a hidden file to write, which then takes its place on disk in one step."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        temporary.unlink(missing_ok=True)


def _begin(directory: Path, terms: Mapping[str, Any], pinned: Mapping[str, Any]) -> BatchJob:
    plan = directory / _PLAN_FILE
    changed: tuple[str, ...] = ()
    if plan.exists():
        former = json.loads(plan.read_text("utf-8"))
        if former["terms"] == terms:
            return BatchJob(
                directory=directory,
                pinned=former["pinned"],
                changed=(),
                continued=len(_finished(directory)),
            )
        names = {*former["terms"], *terms}
        changed = tuple(sorted(n for n in names if former["terms"].get(n) != terms.get(n)))
        plan.unlink()
    for left in directory.iterdir():
        left.unlink()
    with written_whole(plan) as temporary:
        temporary.write_text(json.dumps({"terms": terms, "pinned": pinned}), "utf-8")
    return BatchJob(directory=directory, pinned=pinned, changed=changed, continued=0)


def _finished(directory: Path) -> list[Path]:
    found: list[Path] = []
    while (path := _chunk_path(directory, len(found))).exists():
        found.append(path)
    return found


def _chunk_path(directory: Path, number: int) -> Path:
    return directory / f"chunk-{number:06d}.parquet"
