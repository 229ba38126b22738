"""The types that a column of an event, a join key or a feature can have."""

import re
from dataclasses import dataclass
from typing import ClassVar

from features.errors import DefinitionError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


def check_name(what: str, name: str) -> None:
    """Refuse a name that one of Avro, SQL, Feast or Kafka would not take."""
    if not isinstance(name, str) or not _NAME.match(name) or "__" in name or len(name) > 63:
        msg = (
            f"{what}: got the name {name!r}; allowed are lower case letters, digits and single "
            "underscores, starting with a letter, at most 63 characters"
        )
        raise DefinitionError(msg)


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """Base of the column types; `word` is how definitions, errors and fingerprints name it."""

    word: ClassVar[str]
    sortable: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Int64(FieldType):
    """A signed 64-bit integer, within an inclusive declared range that intake enforces."""

    word: ClassVar[str] = "int64"
    minimum: int = INT64_MIN
    maximum: int = INT64_MAX

    def __post_init__(self) -> None:
        if not INT64_MIN <= self.minimum <= self.maximum <= INT64_MAX:
            msg = (
                f"int64 range: got [{self.minimum}, {self.maximum}]; "
                "allowed is minimum <= maximum within 64 bits"
            )
            raise DefinitionError(msg)


@dataclass(frozen=True, kw_only=True)
class Float64(FieldType):
    """A double; never summed, because floating-point sums depend on order."""

    word: ClassVar[str] = "float64"


@dataclass(frozen=True, kw_only=True)
class String(FieldType):
    """Unicode text, compared by code point."""

    word: ClassVar[str] = "string"


@dataclass(frozen=True, kw_only=True)
class Bool(FieldType):
    """True or false; summed and averaged as 1 and 0."""

    word: ClassVar[str] = "bool"


@dataclass(frozen=True, kw_only=True)
class TimestampMs(FieldType):
    """An instant as milliseconds since the epoch, UTC."""

    word: ClassVar[str] = "timestamp_ms"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One named column of an event source."""

    name: str
    type: FieldType
    nullable: bool = False

    def __post_init__(self) -> None:
        check_name("field", self.name)
        if not isinstance(self.type, FieldType):
            msg = (
                f"field {self.name!r}: got type {self.type!r}; allowed is an instance of FieldType"
            )
            raise DefinitionError(msg)
