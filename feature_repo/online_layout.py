"""Where everything is in the online store: names of keys, and encodings that Feast shares."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from feast.infra.online_stores.helpers import _mmh3

from feature_repo.feast_bytes import EntityKeyEncoder, encode_timestamp, value_encoder
from feature_repo.offline import view_id
from features.view import FeatureView

ENTITY_KEY_VERSION = 3
_CACHED_ENTITIES = 65_536


class ProjectLayout:
    """Keys that all views of a project share.

    Attributes:
        offsets: hash `<topic>:<partition>` -> next offset of the input.
        complete: hash view id -> newest complete window end.
        queued: hash view id -> newest window end among the progress records seen.
    """

    def __init__(self, project: str) -> None:
        """Take the name of the Feast project."""
        self.project = project
        self._prefix = f"samestream:{project}:"
        self.offsets = f"{self._prefix}offsets"
        self.complete = f"{self._prefix}complete"
        self.queued = f"{self._prefix}queued"

    @property
    def prefix(self) -> bytes:
        """Start of all keys that are not Feast's."""
        return self._prefix.encode()

    def counts(self, id_: str) -> str:
        """Hash window end -> number of rows appended, for window ends that are not complete."""
        return f"{self._prefix}counts:{id_}"

    def queue(self, id_: str) -> str:
        """List of the progress records that are not complete, `<window end>:<row count>`."""
        return f"{self._prefix}queue:{id_}"

    def completions(self, id_: str) -> str:
        """List of the newest completions, `<window end>:<server's time in ms>`."""
        return f"{self._prefix}completions:{id_}"

    def ring_prefix(self, id_: str) -> bytes:
        """Start of the keys of the rings of a view."""
        return f"{self._prefix}ring:{id_}:".encode()


class ViewLayout:
    """Keys and encodings of one view; the Feast part is byte for byte what Feast writes."""

    def __init__(self, project: ProjectLayout, view: FeatureView) -> None:
        """Take the project and a definition."""
        self.view = view
        self.id = view_id(view)
        self._ring_prefix = project.ring_prefix(self.id)
        self._project = project.project.encode()
        keys = EntityKeyEncoder(
            [key.name for key in view.join_keys], [type(key.type) for key in view.join_keys]
        )
        self._features = [
            (feature.name, value_encoder(type(feature.type))) for feature in view.features
        ]
        self.entity = lru_cache(_CACHED_ENTITIES)(keys.encode)
        self.hash_fields: list[str | bytes] = [
            f"_ts:{view.name}",
            *(_mmh3(f"{view.name}:{feature.name}") for feature in view.features),
        ]

    def ring_key(self, keys: Sequence[Any]) -> bytes:
        """Key of the ring of an entity; the join key values are in the view's order."""
        return self._ring_prefix + self.entity(tuple(keys))

    def hash_key(self, keys: Sequence[Any]) -> bytes:
        """Key of Feast's hash of an entity, which all views with the same join keys share."""
        return self.entity(tuple(keys)) + self._project

    def hash_values(self, row: Mapping[str, Any]) -> list[bytes]:
        """Values of `hash_fields` for a row."""
        known_at_ms = row["window_end_ms"] + self.view.source.lateness_ms
        values = [encode(row[name]) for name, encode in self._features]
        return [encode_timestamp(known_at_ms), *values]
