"""What a consumer group still has to read."""

from streaming.kafka.admin import Admin
from streaming.kafka.reader import RangeReader


def has_caught_up(admin: Admin, reader: RangeReader, group: str, topic: str) -> bool:
    """Whether a group has committed every record that a topic holds now.

    It may never commit the offsets behind the last record: transaction markers take them up. A
    transaction that is still open is waited for.
    """
    # Not up to the last stable offset: it may lag behind what the writer's own offsets already say.
    ends = admin.end_offsets(topic, "read_uncommitted")
    committed = admin.committed(group, topic)
    return not any(
        True
        for partition, end in ends.items()
        for _ in reader.read(
            topic, partition, committed[partition].offset if partition in committed else 0, end
        )
    )
