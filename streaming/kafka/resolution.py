"""Reading records by the schema they were written with, as records of the schema of today."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import avro.errors
import avro.schema
import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from features.errors import SamestreamError
from streaming.kafka.decimals import DecimalFields
from streaming.kafka.framing import UndecodableError
from streaming.kafka.schemas import Schema

Decode = Callable[[bytes], dict[str, Any]]

_DEEPEST = 10
_PRIMITIVES = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed"}
)
_MILLISECONDS = (None, "timestamp-millis")


class IncompatibleSchemaError(SamestreamError, ValueError):
    """A schema whose records cannot be read as those of another one."""


class Resolver:
    """Makes decoders for records that other schemas wrote.

    Args:
        reader: the schema whose records are wanted; a record with null for what is missing.
        milliseconds: names of its fields that are instants in milliseconds.
    """

    def __init__(self, reader: Schema, milliseconds: frozenset[str]) -> None:
        self._reader = reader
        self._milliseconds = milliseconds
        self._decimals = DecimalFields(reader)
        self._plain_reader = fastavro.parse_schema(self._decimals.plain_schema)

    def check(self, writer: Any) -> Schema:  # noqa: ANN401 - JSON
        """Return the schema of a writer as one that can be read, under the reader's name.

        Raises:
            IncompatibleSchemaError: its records cannot be read without changing what they say.
        """
        if not isinstance(writer, dict) or writer.get("type") != "record":
            msg = f"schema: got {str(writer)[:100]}; allowed is a record"
            raise IncompatibleSchemaError(msg)
        named = {key: writer[key] for key in ("type", "fields") if key in writer} | {
            "name": self._reader["name"],
            "namespace": self._reader["namespace"],
        }
        _check_shape(named, 0)
        self._check_structure(named)
        self._check_meaning(named)
        return named

    def decoder(self, writer: Any) -> Decode:  # noqa: ANN401 - JSON
        """Return a function from the bare encoding of a record of the writer to one of the reader.

        It raises `UndecodableError` for bytes that are not such a record.

        Raises:
            IncompatibleSchemaError: see `check`.
        """
        plain = _without_logical_types(self.check(writer))
        parsed = fastavro.parse_schema(plain)
        has_one_encoding = not any(_has_several_encodings(each) for each in _parts(plain))

        def decode(bare: bytes) -> dict[str, Any]:
            stream = io.BytesIO(bare)
            try:
                if has_one_encoding:
                    _check_canonical(parsed, bare)
                found: Any = fastavro.schemaless_reader(stream, parsed, self._plain_reader)
                record = self._decimals.restore(found)
            except Exception as error:
                # Arbitrary bytes: fastavro does not promise which errors they can cause.
                msg = f"not a record of its schema: {type(error).__name__} {error}"
                raise UndecodableError(msg) from error
            if stream.tell() != len(bare):
                msg = f"got {len(bare)} bytes; the record of its schema takes {stream.tell()}"
                raise UndecodableError(msg)
            return record

        return decode

    def _check_structure(self, writer: Schema) -> None:
        try:
            checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
            result = checker.get_compatibility(
                avro.schema.parse(json.dumps(self._reader)), avro.schema.parse(json.dumps(writer))
            )
        except (avro.errors.AvroException, TypeError, ValueError, KeyError) as error:
            msg = f"schema: not an Avro schema: {error}"
            raise IncompatibleSchemaError(msg) from error
        if result.compatibility is not SchemaCompatibilityType.compatible:
            places = ", ".join(self._place(place) for place in sorted(result.locations))
            msg = f"{places}: {'; '.join(sorted(result.messages))}"
            raise IncompatibleSchemaError(msg)

    def _place(self, location: str) -> str:
        """Name the field of a location such as `/fields/2/type`."""
        number = next((part for part in location.split("/") if part.isdigit()), None)
        fields = self._reader["fields"]
        return location if number is None else str(fields[int(number)]["name"])

    def _check_meaning(self, writer: Schema) -> None:
        """Refuse what Avro would read as other numbers: another scale, another unit of time."""
        written = {field["name"]: field["type"] for field in writer["fields"]}
        for field in self._reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            found = next((written[name] for name in names if name in written), None)
            if found is None:
                continue
            wanted, got = _logical(field["type"]), _logical(found)
            if field["name"] in self._milliseconds:
                allowed = got in _MILLISECONDS
            else:
                allowed = got == wanted or not {"decimal"} & {_kind(got), _kind(wanted)}
            if not allowed:
                msg = f"{field['name']}: got {_said(got)}; allowed is {_said(wanted)}"
                raise IncompatibleSchemaError(msg)


def _check_canonical(parsed: Any, bare: bytes) -> None:  # noqa: ANN401 - fastavro's form
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, parsed, fastavro.schemaless_reader(io.BytesIO(bare), parsed, None)
    )
    if out.getvalue() != bare:
        msg = f"got {len(bare)} bytes, the record that they begin with is written in others"
        raise UndecodableError(msg)


def _check_shape(schema: Any, depth: int) -> None:  # noqa: ANN401 - JSON
    """Refuse what would let a few bytes become very much, or never end."""
    if depth > _DEEPEST:
        msg = f"schema: got types within types more than {_DEEPEST} deep"
        raise IncompatibleSchemaError(msg)
    if isinstance(schema, str) and schema not in _PRIMITIVES:
        msg = f"schema: got a reference to {schema!r}; allowed are types written out where used"
        raise IncompatibleSchemaError(msg)
    if isinstance(schema, dict) and schema.get("type") == "array" and _size(schema["items"]) == 0:
        msg = "schema: got an array of items that take no bytes"
        raise IncompatibleSchemaError(msg)
    for part in _within(schema):
        _check_shape(part, depth + 1)


def _within(schema: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield the schemas directly within one."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, dict):
        if isinstance(schema.get("type"), dict | list):
            yield schema["type"]
        elif schema.get("type") not in {*_PRIMITIVES, "record", "array", "map"}:
            yield schema.get("type")
        yield from (field.get("type") for field in schema.get("fields", ()))
        yield from (schema[key] for key in ("items", "values") if key in schema)


def _parts(schema: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield a schema and every one within it."""
    yield schema
    for part in _within(schema):
        yield from _parts(part)


def _has_several_encodings(schema: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether one value may be written in several ways: in blocks, or as several branches."""
    if isinstance(schema, list):
        return len([branch for branch in schema if branch != "null"]) > 1
    return isinstance(schema, dict) and schema.get("type") in ("array", "map")


def _size(schema: Any) -> int:  # noqa: ANN401 - JSON
    """Return the smallest number of bytes that a value can take."""
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return _size(schema["type"])
    if schema == "null" or (isinstance(schema, dict) and schema.get("type") == "null"):
        return 0
    if isinstance(schema, dict) and schema.get("type") == "record":
        return sum(_size(field["type"]) for field in schema.get("fields", ()))
    if isinstance(schema, dict) and schema.get("type") == "fixed":
        return int(schema["size"])
    return 1


def _logical(avro_type: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the logical type of a field, for a decimal with its scale; None without one."""
    for branch in avro_type if isinstance(avro_type, list) else [avro_type]:
        if isinstance(branch, dict) and "logicalType" in branch:
            kind = branch["logicalType"]
            return (kind, branch.get("scale", 0)) if kind == "decimal" else kind
    return None


def _kind(logical: Any) -> Any:  # noqa: ANN401 - JSON
    return logical[0] if isinstance(logical, tuple) else logical


def _said(logical: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(logical, tuple):
        return f"decimals of scale {logical[1]}"
    return f"values that are {logical}" if logical else "plain values (instants in milliseconds)"


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return [_without_logical_types(branch) for branch in schema]
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if key != "logicalType"}
        for key in ("type", "items", "values"):
            if key in kept:
                kept[key] = _without_logical_types(kept[key])
        if "fields" in kept:
            kept["fields"] = [_without_logical_types(field) for field in kept["fields"]]
        return kept
    return schema
