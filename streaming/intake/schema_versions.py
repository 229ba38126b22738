"""The schemas of a source over time: one `.avsc` file for each version, beside the definitions.

Producers write by the version they were built with; intake reads each of them by its fingerprint.
So a version, once published, is never changed or deleted: a change is a new file.
"""

import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path

from features.definitions import Definitions
from features.errors import DefinitionError, SamestreamError
from features.source import EventSource
from streaming.intake.raw import source_resolver
from streaming.kafka.resolution import IncompatibleSchemaError
from streaming.kafka.schemas import Schema, event_schema

_DIRECTORY = "schemas"
_VERSION = re.compile(r"(?P<source>.+)\.v(?P<number>[1-9]\d*)\.avsc\Z")


class SchemaVersionError(SamestreamError, ValueError):
    """Schema files that do not fit the definitions."""


@dataclass(frozen=True, kw_only=True)
class SchemaVersion:
    """One version of the schema of a source.

    Attributes:
        number: 1 for the first.
        path: its file.
        schema: Avro, as JSON.
    """

    number: int
    path: Path
    schema: Schema


def schema_directory(module: str) -> Path:
    """Return where the schema files of a definitions module are: `schemas/` beside it.

    Raises:
        DefinitionError: there is no such module in a file.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        msg = f"definitions: got module {module!r}; allowed is one that is a file"
        raise DefinitionError(msg)
    return Path(spec.origin).parent / _DIRECTORY


def schema_versions(directory: Path, source: EventSource) -> list[SchemaVersion]:
    """Return the versions of a source in order; none if there are no files.

    Raises:
        SchemaVersionError: a file is not JSON, or a number is missing.
    """
    found = []
    for path in directory.glob("*.avsc"):
        named = _VERSION.match(path.name)
        if named is None:
            msg = f"{path}: got this file name; allowed are names such as {source.name}.v1.avsc"
            raise SchemaVersionError(msg)
        if named["source"] == source.name:
            number = int(named["number"])
            found.append(SchemaVersion(number=number, path=path, schema=_read(path)))
    found.sort(key=lambda version: version.number)
    for expected, version in enumerate(found, start=1):
        if version.number != expected:
            msg = f"{version.path}: version {expected} is missing; a version is never deleted"
            raise SchemaVersionError(msg)
    return found


def check_versions(directory: Path, definitions: Definitions) -> list[str]:
    """Check every source; return a line for each.

    Raises:
        SchemaVersionError: the newest version is not that of the definitions, or an older one
            cannot be read any more.
    """
    return [_checked(directory, source) for source in definitions.sources]


def write_versions(directory: Path, definitions: Definitions) -> list[Path]:
    """Write a new version for each source whose newest one differs; return the files.

    Raises:
        SchemaVersionError: the events of a former version could not be read any more; nothing is
            written.
    """
    changed = []
    for source in definitions.sources:
        versions = schema_versions(directory, source)
        _check_readable(source, versions)
        if not versions or versions[-1].schema != event_schema(source):
            path = directory / f"{source.name}.v{len(versions) + 1}.avsc"
            changed.append((path, event_schema(source)))
    for path, schema in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    return [path for path, _ in changed]


def _checked(directory: Path, source: EventSource) -> str:
    versions = schema_versions(directory, source)
    _check_readable(source, versions)
    if not versions or versions[-1].schema != event_schema(source):
        newest = versions[-1].path.name if versions else "no file"
        msg = (
            f"source {source.name!r}: got {newest} in {directory}, whose schema is not that of the "
            "definitions; `samestream schemas write` adds a version"
        )
        raise SchemaVersionError(msg)
    return f"{source.name}: version {len(versions)}, reads versions 1 to {len(versions)}"


def _check_readable(source: EventSource, versions: list[SchemaVersion]) -> None:
    resolver = source_resolver(source)
    for version in versions:
        try:
            resolver.check(version.schema)
        except IncompatibleSchemaError as error:
            msg = f"source {source.name!r} cannot read {version.path.name}: {error}"
            raise SchemaVersionError(msg) from error


def _read(path: Path) -> Schema:
    try:
        schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path}: not JSON: {error}"
        raise SchemaVersionError(msg) from error
    return schema
