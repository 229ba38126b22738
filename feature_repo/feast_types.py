"""How our column types are called in Feast, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from feast import ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool as FeastBool
from feast.types import Decimal as FeastDecimal
from feast.types import FeastType
from feast.types import Float64 as FeastFloat64
from feast.types import Int64 as FeastInt64
from feast.types import String as FeastString

from features.errors import SamestreamError
from features.fields import Bool, Decimal, Field, FieldType, Float64, Int64, String, TimestampMs


class FeastTypeError(SamestreamError, TypeError):
    """A type that Feast cannot use in this place."""


@dataclass(frozen=True, kw_only=True)
class StoredType:
    """One of our types in the stores.

    Attributes:
        feast: type of a column of a `feast.FeatureView`.
        key: type of a join key, None where Feast has no such key.
        proto: field of Feast's `Value` message that holds it online.
        held: turns a value into what that field holds; None where it is the value itself.
    """

    feast: FeastType
    key: ValueType | None
    proto: str
    held: Callable[[Any], Any] | None = None

    def message(self, value: Any) -> Value:  # noqa: ANN401
        """Feast's message of a value; null is an empty one."""
        if value is None:
            return Value()
        return Value(**{self.proto: value if self.held is None else self.held(value)})


_INT64 = StoredType(feast=FeastInt64, key=ValueType.INT64, proto="int64_val")

STORED_TYPES: dict[type[FieldType], StoredType] = {
    Int64: _INT64,
    TimestampMs: _INT64,
    Float64: StoredType(feast=FeastFloat64, key=None, proto="double_val"),
    Decimal: StoredType(feast=FeastDecimal, key=None, proto="decimal_val", held=str),
    Bool: StoredType(feast=FeastBool, key=None, proto="bool_val"),
    String: StoredType(feast=FeastString, key=ValueType.STRING, proto="string_val"),
}


def key_type(key: Field) -> ValueType:
    """Feast's type of a join key.

    Raises:
        FeastTypeError: Feast has no join keys of that type.
    """
    value_type = STORED_TYPES[type(key.type)].key
    if value_type is None:
        allowed = ", ".join(ours.word for ours, stored in STORED_TYPES.items() if stored.key)
        msg = f"join key {key.name!r}: got type {key.type.word}; Feast takes {allowed}"
        raise FeastTypeError(msg)
    return value_type
