"""The writer of the online store: rows, counts and input offsets change together or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from feature_repo.online_layout import ProjectLayout, ViewLayout
from feature_repo.ring import RingCodec
from feature_repo.scripts import load_script
from features.errors import SamestreamError
from features.view import FeatureView

_KEPT_COMPLETIONS = 4_096

Arguments = list[str | bytes | int]


class FencedError(SamestreamError, RuntimeError):
    """The store is not where this writer left it; the slice was not applied."""


@dataclass(frozen=True, kw_only=True)
class InputSlice:
    """Which records of a partition a step consumes: `[first_offset, next_offset)`."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int

    @property
    def field(self) -> str:
        """Name of the partition in the store."""
        return _offset_field(self.topic, self.partition)


@dataclass(frozen=True, kw_only=True)
class RowStep:
    """Feature rows of one view, in the order of the partition."""

    view: FeatureView
    rows: Sequence[Mapping[str, Any]]
    source: InputSlice


@dataclass(frozen=True, kw_only=True)
class ProgressStep:
    """Progress records of any views, in the order of the partition."""

    records: Sequence[Mapping[str, Any]]
    source: InputSlice


class OnlineWriter:
    """Applies slices of the feature topics and of the progress topic, each in one atomic step.

    A row is appended to its entity's ring, and counted for its window end, only if it is newer
    than the ring's newest row; so rows that come again change nothing.
    """

    def __init__(
        self, redis: Redis, *, project: str, views: Sequence[FeatureView], ring_slides: int
    ) -> None:
        """Load the scripts into the store.

        Args:
            redis: connection without decoding of responses.
            project: Feast project.
            views: the views whose rows are written.
            ring_slides: how many slides of rows an entity keeps behind its newest row, at least;
                a quarter more are kept, so that old rows are dropped many at a time.
        """
        self._redis = redis
        self._layout = ProjectLayout(project)
        self._views = {view: ViewLayout(self._layout, view) for view in views}
        self._rings = {view: RingCodec(view.features) for view in views}
        self._ring_slides = ring_slides
        self._append_rows = load_script(redis, "common", "append_rows")
        self._append_progress = load_script(redis, "common", "append_progress")

    def next_offset(self, topic: str, partition: int) -> int:
        """Return where the store continues; 0 when it is empty."""
        stored = self._redis.hget(self._layout.offsets, _offset_field(topic, partition))
        return int(cast("bytes", stored)) if stored else 0

    def apply(self, steps: Sequence[RowStep | ProgressStep]) -> list[int]:
        """Apply steps in order, in one round trip; each is atomic by itself.

        Returns:
            How many rows were appended, or progress records queued, by each step.

        Raises:
            FencedError: The store expects other offsets; later steps may have been applied.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for step in steps:
            if isinstance(step, RowStep):
                keys, arguments = self._row_arguments(step)
                script = self._append_rows
            else:
                keys, arguments = self._progress_arguments(step)
                script = self._append_progress
            pipeline.evalsha(script, len(keys), *cast("list[str]", keys + arguments))
        outcomes = pipeline.execute(raise_on_error=False)
        for step, outcome in zip(steps, outcomes, strict=True):
            _check(step.source, outcome)
        return outcomes

    def _row_arguments(self, step: RowStep) -> tuple[Arguments, Arguments]:
        view, layout, ring = step.view, self._views[step.view], self._rings[step.view]
        names = [key.name for key in view.join_keys]
        packed: dict[tuple[Any, ...], list[bytes]] = {}
        newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for row in step.rows:
            entity = tuple([row[name] for name in names])
            if entity not in newest:
                packed[entity] = []
                newest[entity] = row
            elif row["window_end_ms"] > newest[entity]["window_end_ms"]:
                newest[entity] = row
            packed[entity].append(ring.pack(row))
        keys: Arguments = [
            self._layout.offsets,
            self._layout.complete,
            self._layout.counts(layout.id),
            self._layout.queue(layout.id),
            self._layout.completions(layout.id),
        ]
        arguments: Arguments = [
            *_offsets(step.source),
            layout.id,
            _KEPT_COMPLETIONS,
            self._ring_slides * view.window.slide_ms,
            ring.origin,
            len(layout.hash_fields),
            *layout.hash_fields,
        ]
        for entity, row in newest.items():
            keys += (layout.ring_key(entity), layout.hash_key(entity))
            arguments.append(b"".join(packed[entity]))
            arguments += layout.hash_values(row)
        return keys, arguments

    def _progress_arguments(self, step: ProgressStep) -> tuple[Arguments, Arguments]:
        keys: Arguments = [self._layout.offsets, self._layout.complete, self._layout.queued]
        indexes: dict[str, int] = {}
        records: Arguments = []
        for record in step.records:
            id_ = f"{record['view']}-{record['fingerprint']}"
            if id_ not in indexes:
                indexes[id_] = len(indexes) + 1
                keys += (
                    self._layout.counts(id_),
                    self._layout.queue(id_),
                    self._layout.completions(id_),
                )
            records += (indexes[id_], record["window_end_ms"], record["row_count"])
        arguments: Arguments = [
            *_offsets(step.source),
            _KEPT_COMPLETIONS,
            len(indexes),
            *indexes,
            *records,
        ]
        return keys, arguments


def _offsets(source: InputSlice) -> Arguments:
    return [source.field, source.first_offset, source.next_offset]


def _offset_field(topic: str, partition: int) -> str:
    return f"{topic}:{partition}"


def _check(source: InputSlice, outcome: object) -> None:
    if isinstance(outcome, ResponseError) and str(outcome).startswith("FENCED"):
        stored = str(outcome).removeprefix("FENCED ")
        msg = (
            f"online store, {source.topic} partition {source.partition}: the store continues at "
            f"offset {stored}, this writer at {source.first_offset}; another ingest writes to the "
            "store, or the store was emptied: start ingest again, one at a time"
        )
        raise FencedError(msg)
    if isinstance(outcome, Exception):
        raise outcome
