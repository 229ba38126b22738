"""Whether bytes are the one Avro encoding of a flat record.

A value has many encodings that readers take: numbers with more bytes than they need, a boolean of
2, a branch of -1. To tell, one can decode and encode again, which takes twice as long as this.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from streaming.kafka.schemas import Schema

_LAST = 0x7F
_SECOND_BRANCH = 2
_LONGEST_NUMBER = 10
_LONGEST_SIZE = 5

# Where a value ends that starts at an offset; -1 if it is not canonical.
_After = Callable[[bytes, int], int]


def canonical_check(schema: Schema) -> Callable[[bytes], bool] | None:
    """Return what tells canonical encodings of records of a schema from all other bytes.

    None if a field is anything but a long, string, double or boolean, or one of them after null.
    It looks at numbers, sizes and branches; whether text is UTF-8 is up to the reader.
    """
    steps = []
    for field in schema["fields"]:
        is_nullable, after = _step(field["type"])
        if after is None:
            return None
        steps.append((is_nullable, after))
    return partial(_is_canonical, steps)


def _is_canonical(steps: list[tuple[bool, _After]], bare: bytes) -> bool:
    at = 0
    try:
        for is_nullable, after in steps:
            if is_nullable:
                branch = bare[at]
                at += 1
                if not branch:
                    continue
                if branch != _SECOND_BRANCH:
                    return False
            at = after(bare, at)
            if at < 0:
                return False
    except IndexError:
        return False
    return at == len(bare)


def _step(avro_type: Any) -> tuple[bool, _After | None]:  # noqa: ANN401 - JSON
    if isinstance(avro_type, list) and len(avro_type) == 2 and avro_type[0] == "null":
        return True, _step(avro_type[1])[1]
    return False, _AFTER.get(avro_type) if isinstance(avro_type, str) else None


def _after_number(bare: bytes, start: int) -> int:
    at = start
    while bare[at] > _LAST:
        at += 1
    more = at - start
    if more and (not bare[at] or more >= _LONGEST_NUMBER):
        return -1
    # The tenth byte holds the last of 64 bits.
    if more == _LONGEST_NUMBER - 1 and bare[at] > 1:
        return -1
    return at + 1


def _after_text(bare: bytes, start: int) -> int:
    size, at = bare[start], start + 1
    if size > _LAST:
        at = _after_number(bare, start)
        if not 0 < at - start <= _LONGEST_SIZE:
            return -1
        size = sum((bare[start + n] & _LAST) << (7 * n) for n in range(at - start))
    # An odd number stands for a negative size.
    return -1 if size & 1 else at + (size >> 1)


def _after_double(bare: bytes, start: int) -> int:
    del bare
    return start + 8


def _after_bool(bare: bytes, start: int) -> int:
    return start + 1 if bare[start] <= 1 else -1


_AFTER: dict[str, _After] = {
    "long": _after_number,
    "string": _after_text,
    "double": _after_double,
    "boolean": _after_bool,
}
