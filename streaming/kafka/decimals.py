"""Decimals in Avro records: whole numbers of the last digit, as bytes.

fastavro would convert them, but not exactly: all threads share its decimal context, it lets numbers
pass that have more digits than their schema, and it writes -128 in two bytes where Avro's Java
library, and so Flink, writes one.
"""

from typing import Any

from features.errors import DefinitionError, SamestreamError
from features.fields import Decimal
from streaming.kafka.schemas import Schema


class DecimalError(SamestreamError, ValueError):
    """A value that its decimal field cannot hold, or bytes that are not a decimal."""


class DecimalFields:
    """Converts the decimal fields of the records of one schema.

    Attributes:
        plain_schema: the schema of the records whose decimals are bytes.
    """

    def __init__(self, schema: Schema) -> None:
        types = {field["name"]: _decimal(field["type"]) for field in schema["fields"]}
        self._types = {name: type_ for name, type_ in types.items() if type_ is not None}
        fields = [
            {**field, "type": _plain(field["type"])} if field["name"] in self._types else field
            for field in schema["fields"]
        ]
        self.plain_schema: Schema = {**schema, "fields": fields}

    def to_plain(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record with bytes in the place of decimals.

        Raises:
            DecimalError: a value that is not a `decimal.Decimal` which fits its field.
        """
        if not self._types:
            return record
        plain = dict(record)
        for name, type_ in self._types.items():
            if record.get(name) is not None:
                try:
                    plain[name] = _to_bytes(type_.units(record[name]))
                except DefinitionError as error:
                    msg = f"{name}: {error}"
                    raise DecimalError(msg) from error
        return plain

    def restore(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Put decimals in the place of their bytes, in place; they may have too many digits.

        Raises:
            DecimalError: no bytes.
        """
        for name, type_ in self._types.items():
            found = plain[name]
            if found is not None:
                if not found:
                    msg = f"{name}: got no bytes; allowed is at least one for a decimal"
                    raise DecimalError(msg)
                plain[name] = type_.from_units(int.from_bytes(found, "big", signed=True))
        return plain


def _to_bytes(units: int) -> bytes:
    """Encode as `BigInteger.toByteArray` does: the fewest bytes of two's complement."""
    magnitude = units if units >= 0 else ~units
    return units.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def _decimal(avro_type: Any) -> Decimal | None:  # noqa: ANN401 - JSON
    for branch in avro_type if isinstance(avro_type, list) else [avro_type]:
        if isinstance(branch, dict) and branch.get("logicalType") == "decimal":
            return Decimal(precision=branch["precision"], scale=branch["scale"])
    return None


def _plain(avro_type: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(avro_type, list):
        return [_plain(branch) for branch in avro_type]
    return avro_type["type"] if isinstance(avro_type, dict) else avro_type
