"""The online store as Feast sees it: its Redis store, written by ingest alone."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from redis import Redis

from feature_repo.feast_objects import FINGERPRINT_TAG
from feature_repo.online_layout import ProjectLayout
from features.errors import SamestreamError

RING_STORE_TYPE = "feature_repo.online_store.RingOnlineStore"

_TIMEOUT_SECONDS = 30.0
_NOBODY = "\x00samestream: a null key\x00"
_DELETED_AT_ONCE = 1_000

OnlineRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class UncountedWriteError(SamestreamError, PermissionError):
    """A write past ingest, which would not be counted, so `complete` could no longer be trusted."""


def connect(address: str, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> Redis:
    """Connect to the online store at host:port; responses stay bytes."""
    host, _, port = address.rpartition(":")
    return Redis(
        host=host,
        port=int(port),
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
    )


class RingOnlineStoreConfig(RedisOnlineStoreConfig):
    """Configuration of the store; Feast finds it by its name."""

    type: Literal["feature_repo.online_store.RingOnlineStore"] = RING_STORE_TYPE  # type: ignore[assignment]


class RingOnlineStore(RedisOnlineStore):
    """Feast's Redis store with the same keys and values; rings live beside them."""

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Refuse to push or materialise rows of our views; other views are Feast's business."""
        self._refuse_ours(table)
        super().online_write_batch(config, table, data, progress)

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Refuse as `online_write_batch` does."""
        self._refuse_ours(table)
        await super().online_write_batch_async(config, table, data, progress)

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        """Delete the newest rows, the rings and the progress of a view.

        Ingest is fenced by that, and reads all topics again when it is started again: a view that
        comes back must not count as complete without its rows.
        """
        super().delete_table(config, table)
        if fingerprint := table.tags.get(FINGERPRINT_TAG):
            layout, id_ = ProjectLayout(config.project), f"{table.name}-{fingerprint}"
            client = self._get_client(config.online_store)
            client.delete(
                layout.offsets, layout.counts(id_), layout.queue(id_), layout.completions(id_)
            )
            client.hdel(layout.complete, id_)
            client.hdel(layout.queued, id_)
            self._delete(config, layout.ring_prefix(id_))

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        """Delete everything of the project."""
        super().teardown(config, tables, entities)
        self._delete(config, ProjectLayout(config.project).prefix)

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: Any,  # noqa: ANN401 - Feast does not name the types
        join_key_values: dict[str, list[Value]],
        *others: Any,  # noqa: ANN401
    ) -> None:
        """Read as Feast does, which cannot sort null keys: they become keys that nothing has."""
        known = {name: _without_nulls(values) for name, values in join_key_values.items()}
        super()._read_features_per_fv(config, grouped_refs, known, *others)

    @staticmethod
    def _refuse_ours(table: FeatureView) -> None:
        if FINGERPRINT_TAG in table.tags:
            msg = (
                f"view {table.name!r}: its online rows come from ingest only, which counts them; "
                "push and materialize are refused: publish events, or start ingest"
            )
            raise UncountedWriteError(msg)

    def _delete(self, config: RepoConfig, prefix: bytes) -> None:
        client = self._get_client(config.online_store)
        found = list(client.scan_iter(prefix + b"*", count=_DELETED_AT_ONCE))
        for first in range(0, len(found), _DELETED_AT_ONCE):
            client.delete(*found[first : first + _DELETED_AT_ONCE])


def _without_nulls(values: list[Value]) -> list[Value]:
    """Replace nulls by a value that sorts among the others and is no entity's key."""
    kinds = {value.WhichOneof("val") for value in values}
    nobody = Value(string_val=_NOBODY) if "string_val" in kinds else Value(int32_val=0)
    return [value if value.WhichOneof("val") else nobody for value in values]
