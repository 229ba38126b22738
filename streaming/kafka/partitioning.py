"""Which partition a key belongs to."""

from kafka.partitioner.default import murmur2


def key_partition(key: bytes, partitions: int) -> int:
    """Return the partition to which every Kafka client sends a record with that key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
