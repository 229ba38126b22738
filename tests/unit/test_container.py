"""Avro container files are those of the specification."""

from pathlib import Path

import fastavro

from streaming.kafka.avro import AvroCodec
from streaming.kafka.container import ContainerWriter
from streaming.kafka.schemas import progress_schema


def test_another_reader_gives_back_the_records_in_order(tmp_path: Path) -> None:
    # Several blocks.
    records = [
        {"view": "v" * 100, "fingerprint": "", "window_end_ms": n, "row_count": -n}
        for n in range(2_000)
    ]
    codec = AvroCodec(progress_schema())
    with (tmp_path / "log.avro").open("wb") as file:
        writer = ContainerWriter(file, progress_schema())
        for record in records:
            writer.append(codec.encode(record))
        writer.flush()
        writer.flush()
    with (tmp_path / "log.avro").open("rb") as file:
        assert list(fastavro.reader(file)) == records
    with (tmp_path / "log.avro").open("rb") as file:
        assert sum(1 for _ in fastavro.block_reader(file)) > 2


def test_a_file_without_records(tmp_path: Path) -> None:
    with (tmp_path / "log.avro").open("wb") as file:
        ContainerWriter(file, progress_schema()).flush()
    with (tmp_path / "log.avro").open("rb") as file:
        assert list(fastavro.reader(file)) == []
