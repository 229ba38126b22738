"""Snapshots of the offline rows of a view: a reader sees one of them, whole.

```
<view>-<fingerprint>                     link to the newest snapshot, replaced in one step
.snapshots/<view>-<fingerprint>/<n>/     its Parquet files, none of which ever changes, and `.state`
```

A file that two snapshots share is one file with two names. No name is used for two files, so who
listed one snapshot and opens files of the next finds the same rows or no file.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

from feature_repo.directory_lock import directory_lock

SNAPSHOTS = ".snapshots"

# Topic and partition.
Partition = tuple[str, int]

# Long enough for any query that began on a snapshot which is no longer the newest.
_KEPT = timedelta(hours=1)
_STATE_FILE = ".state"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One Parquet file of a snapshot.

    Attributes:
        name: of the file.
        rows: their number.
        first_end_ms: oldest window end of its rows; None without rows.
        last_end_ms: newest window end of its rows; None without rows.
        level: how often its rows were merged from smaller files.
    """

    name: str
    rows: int
    first_end_ms: int | None
    last_end_ms: int | None
    level: int = 0


@dataclass(frozen=True, kw_only=True)
class SnapshotState:
    """What a snapshot holds.

    Attributes:
        number: of the snapshot; 0 is that there is none.
        horizon_ms: newest window end of the last backfill; later rows are the archive's.
        complete_until_ms: newest window end up to which the rows are all there.
        positions: next offset of the archive, by topic and partition.
        parts: files in the order of time; no row is in two of them.
    """

    number: int = 0
    horizon_ms: int | None = None
    complete_until_ms: int | None = None
    positions: Mapping[Partition, int] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the state of a snapshot, or through the link that of the newest one.

        A directory that is not there, or that nobody here has written, has number 0.
        """
        try:
            text = (directory / _STATE_FILE).read_text("ascii")
        except FileNotFoundError:
            return cls()
        read = json.loads(text)
        positions = {(topic, partition): offset for topic, partition, offset in read["positions"]}
        parts = tuple(Part(**part) for part in read["parts"])
        return cls(**read | {"positions": positions, "parts": parts})

    def write(self, directory: Path) -> None:
        """Write the state of a snapshot, to disk."""
        positions = [[*at, offset] for at, offset in self.positions.items()]
        parts = [asdict(part) for part in self.parts]
        with (directory / _STATE_FILE).open("w", encoding="ascii") as file:
            json.dump(vars(self) | {"positions": positions, "parts": parts}, file)
            file.flush()
            os.fsync(file.fileno())


class NextSnapshot:
    """A snapshot in the making, which nobody sees before `commit`.

    Attributes:
        former: state of the newest snapshot.
        number: of this one.
    """

    def __init__(self, root: Path, name: str) -> None:
        """Remove what a killed writer left and make an empty directory."""
        self._link = root / name
        self._home = root / SNAPSHOTS / name
        self.former = SnapshotState.read(self._link)
        self.number = self.former.number + 1
        for left in self._numbers():
            if left >= self.number:
                shutil.rmtree(self._home / str(left))
        self._directory = self._home / str(self.number)
        self._directory.mkdir()
        self._names = 0

    def new_file(self) -> Path:
        """Name a new Parquet file of this snapshot; whoever writes it must fsync it."""
        self._names += 1
        return self._directory / f"rows-{self.number:08}-{self._names}.parquet"

    def moved_in(self, path: Path, written: Part) -> Part:
        """Move a Parquet file, which is on disk, into this snapshot."""
        file = self.new_file()
        path.replace(file)
        return replace(written, name=file.name)

    def path_of(self, part: Part) -> Path:
        """Where a part of the former snapshot is, or a new one of this snapshot."""
        own = self._directory / part.name
        return own if own.exists() else self._home / str(self.former.number) / part.name

    def commit(self, state: SnapshotState) -> None:
        """Make this the newest snapshot, to disk, with exactly the parts of the state.

        Parts of the former snapshot are taken over; own files that are not named go.
        """
        names = {part.name for part in state.parts}
        for path in self._directory.iterdir():
            if path.name not in names:
                path.unlink()
        for part in state.parts:
            if (path := self.path_of(part)).parent != self._directory:
                os.link(path, self._directory / part.name)
        state.write(self._directory)
        _sync(self._directory)
        _sync(self._home)
        self._switch()
        self._forget()

    def _switch(self) -> None:
        link = self._home / "newest"
        link.unlink(missing_ok=True)
        # Relative, so that the offline store may be moved.
        link.symlink_to(Path(SNAPSHOTS, self._home.name, str(self.number)))
        by_hand = self._home / "by-hand"
        if self._link.is_dir() and not self._link.is_symlink():
            # A link cannot take the place of a directory of files that somebody put there.
            shutil.rmtree(by_hand, ignore_errors=True)
            self._link.replace(by_hand)
        link.replace(self._link)
        _sync(self._link.parent)
        shutil.rmtree(by_hand, ignore_errors=True)

    def _forget(self) -> None:
        """Remove the snapshots that were replaced long ago."""
        until = time.time() - _KEPT.total_seconds()
        for number, following in pairwise(self._numbers()):
            if (self._home / str(following)).stat().st_mtime < until:
                shutil.rmtree(self._home / str(number))

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self._home.glob("[0-9]*"))


@contextmanager
def next_snapshot(root: Path, name: str) -> Iterator[NextSnapshot]:
    """Begin a snapshot; other writers of the same rows wait for its end.

    Args:
        root: root of the offline store.
        name: of the directory of the view's rows.
    """
    home = root / SNAPSHOTS / name
    home.mkdir(parents=True, exist_ok=True)
    with directory_lock(home, wait=True):
        yield NextSnapshot(root, name)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
