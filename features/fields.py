"""The types that a column of an event, a join key or a feature can have."""

import decimal
import re
import sys
from dataclasses import dataclass
from typing import ClassVar

from features.errors import DefinitionError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
MAX_PRECISION = 38

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
class Decimal(FieldType):
    """A decimal number with at most `precision` digits, `scale` of them after the point.

    Values are `decimal.Decimal`; the range is inclusive, and intake enforces it.
    """

    word: ClassVar[str] = "decimal"
    precision: int
    scale: int = 0
    minimum: decimal.Decimal | None = None
    maximum: decimal.Decimal | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= self.precision <= MAX_PRECISION or self.precision < 1:
            msg = (
                f"decimal: got precision {self.precision} and scale {self.scale}; "
                f"allowed is 1 <= precision <= {MAX_PRECISION} and 0 <= scale <= precision"
            )
            raise DefinitionError(msg)
        smallest, largest = self.range_units
        if smallest > largest:
            msg = f"decimal range: got [{self.minimum}, {self.maximum}]; minimum <= maximum"
            raise DefinitionError(msg)

    @property
    def range_units(self) -> tuple[int, int]:
        """Smallest and largest value, as whole numbers of the last digit."""
        largest = 10**self.precision - 1
        return (
            -largest if self.minimum is None else self.units(self.minimum),
            largest if self.maximum is None else self.units(self.maximum),
        )

    def units(self, value: decimal.Decimal) -> int:
        """Return the value as a whole number of the last digit.

        Raises:
            DefinitionError: The value has more digits than the type.
        """
        if isinstance(value, decimal.Decimal) and self._could_fit(value):
            numerator, denominator = value.as_integer_ratio()
            units, rest = divmod(numerator * int(10**self.scale), denominator)
            if not rest and abs(units) < 10**self.precision:
                return units
        msg = (
            f"decimal: got {value!r}; allowed is a decimal.Decimal that fits "
            f"decimal({self.precision}, {self.scale})"
        )
        raise DefinitionError(msg)

    def _could_fit(self, value: decimal.Decimal) -> bool:
        """Judge by the place of the first digit, so that no huge exponent is written out."""
        if not value.is_finite() or value.is_zero():
            return value.is_finite()
        return -self.scale <= value.adjusted() < self.precision - self.scale

    def from_units(self, units: int) -> decimal.Decimal:
        """Return the value of a whole number of the last digit, with all digits of the scale."""
        digits = tuple(int(digit) for digit in str(abs(units)))
        return decimal.Decimal((int(units < 0), digits, -self.scale))


@dataclass(frozen=True, kw_only=True)
class Float64(FieldType):
    """A double; never summed, because floating-point sums depend on order.

    The range is inclusive, and intake enforces it; without bounds every finite number is allowed.
    """

    word: ClassVar[str] = "float64"
    minimum: float = -sys.float_info.max
    maximum: float = sys.float_info.max

    def __post_init__(self) -> None:
        if not -sys.float_info.max <= self.minimum <= self.maximum <= sys.float_info.max:
            msg = (
                f"float64 range: got [{self.minimum}, {self.maximum}]; "
                "allowed is minimum <= maximum, both finite"
            )
            raise DefinitionError(msg)


@dataclass(frozen=True, kw_only=True)
class String(FieldType):
    """Unicode text, compared by code point.

    Attributes:
        max_length: largest number of characters (code points) that intake accepts.
        allowed: if given, the only values that intake accepts.
    """

    word: ClassVar[str] = "string"
    max_length: int = 10_000
    allowed: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.max_length < 1:
            msg = f"string: got max_length {self.max_length}; allowed is at least 1"
            raise DefinitionError(msg)
        if self.allowed is None:
            return
        if not isinstance(self.allowed, tuple) or not self.allowed:
            msg = f"string: got allowed {self.allowed!r}; allowed is a tuple of at least one text"
            raise DefinitionError(msg)
        for text in self.allowed:
            if not isinstance(text, str) or len(text) > self.max_length:
                msg = (
                    f"string: got the allowed value {text!r}; allowed is text of at most "
                    f"{self.max_length} characters"
                )
                raise DefinitionError(msg)


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
    """One named column of an event source.

    Attributes:
        name: of the column.
        type: of its values.
        nullable: whether an event may leave it out.
        aliases: former names, under which older schemas of producers have it.
    """

    name: str
    type: FieldType
    nullable: bool = False
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name("field", self.name)
        if not isinstance(self.type, FieldType):
            msg = (
                f"field {self.name!r}: got type {self.type!r}; allowed is an instance of FieldType"
            )
            raise DefinitionError(msg)
        for alias in self.aliases:
            check_name(f"alias of field {self.name!r}", alias)
