"""Names of the instances that share the partitions of a topic."""

import re

from features.errors import SamestreamError

# What Kafka allows in a `group.instance.id`.
_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST_MEMBER = 249


class InstanceError(SamestreamError, ValueError):
    """A name that an instance cannot have."""


def member_name(group: str, instance: str) -> str:
    """Return the name of an instance in its group: its static membership and transactional id.

    Two processes of one name fence each other; a restart keeps the name.
    """
    if not _ALLOWED.fullmatch(instance):
        msg = f"instance: got {instance!r}; allowed are letters, digits, '.', '_' and '-'"
        raise InstanceError(msg)
    member = f"{group}.{instance}"
    if len(member) > _LONGEST_MEMBER:
        allowed = _LONGEST_MEMBER - len(group) - 1
        msg = f"instance: got {len(instance)} characters; allowed are {allowed} in group {group!r}"
        raise InstanceError(msg)
    return member
