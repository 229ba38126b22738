"""The decoder of a source with everything that a deployment adds to its definition."""

from features.source import EventSource
from streaming.intake.raw import RawEvents
from streaming.intake.schema_versions import schema_directory, schema_versions
from streaming.kafka.registry import RegistrySettingsError, SchemaRegistry
from streaming.settings import Settings


def raw_events(settings: Settings, source: EventSource) -> RawEvents:
    """Return what decodes the raw records of a source.

    Raises:
        RegistrySettingsError: the source needs a schema registry and none is set.
        IncompatibleSchemaError: a former version of the source cannot be read any more.
    """
    versions = schema_versions(schema_directory(settings.definitions), source)
    registry = None
    if source.encoding == "confluent":
        access = settings.registry
        if access is None:
            msg = (
                f"source {source.name!r} has the encoding 'confluent', which needs a schema "
                "registry; set SAMESTREAM_REGISTRY_URL"
            )
            raise RegistrySettingsError(msg)
        registry = SchemaRegistry(access)
    return RawEvents(source, versions=[version.schema for version in versions], registry=registry)
