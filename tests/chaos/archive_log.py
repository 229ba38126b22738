"""What a live job that restarts writes to its topics, and an archive of it without a broker."""

import random
from pathlib import Path

from features.definitions import Definitions
from features.examples.flights import DEFINITIONS as FLIGHTS
from features.fingerprint import view_fingerprint
from streaming.archive.view_archives import ViewArchives
from streaming.kafka.avro import AvroCodec
from streaming.kafka.follower import Slice
from streaming.kafka.schemas import feature_row_schema, progress_schema
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.settings import Settings

VIEWS = (FLIGHTS.view("origin_boardings_1h"), FLIGHTS.view("origin_boardings_4h"))
ORIGINS = ("EWR", "JFK", "LGA")
PARTITIONS = 2

Log = dict[tuple[str, int], list[bytes]]


def written_log(slots: int) -> Log:
    """Rows and progress of the slots from 0 on; some are told again."""
    rng = random.Random(1)
    progress = AvroCodec(progress_schema())
    log: Log = {(PROGRESS_TOPIC, 0): []}
    slot = 0
    while slot < slots:
        for view in VIEWS:
            rows = AvroCodec(feature_row_schema(view))
            end = {"window_end_ms": slot * view.window.slide_ms}
            for number, origin in enumerate(ORIGINS):
                row = end | {"origin": origin, f"{view.name}_count": slot}
                at = (features_topic(view), number % PARTITIONS)
                log.setdefault(at, []).append(rows.encode(row))
            told = end | {
                "view": view.name,
                "fingerprint": view_fingerprint(view),
                "row_count": len(ORIGINS),
            }
            log[PROGRESS_TOPIC, 0].append(progress.encode(told))
        slot = max(0, slot - rng.randrange(4)) if rng.random() < 0.1 else slot + 1
    return log


def archive_log(state_dir: Path, slots: int, seed: int) -> None:
    """Archive the log from where the offline store is, in small slices, each written at once."""
    rng, log = random.Random(seed), written_log(slots)
    settings = Settings(
        state_dir=state_dir, partitions=PARTITIONS, archive_rows=1, archive_seconds=0.0
    )
    archives = ViewArchives(settings, Definitions(views=VIEWS, services=()))
    reading = dict(archives.positions)
    while behind := [at for at, records in log.items() if reading[at] < len(records)]:
        at = rng.choice(behind)
        first = reading[at]
        values = log[at][first : first + rng.randrange(1, 9)]
        reading[at] += len(values)
        archives.add(
            [
                Slice(
                    topic=at[0],
                    partition=at[1],
                    first_offset=first,
                    next_offset=reading[at],
                    values=values,
                )
            ]
        )
