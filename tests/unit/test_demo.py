"""What the demonstration decides before it starts anything."""

from pathlib import Path

import pytest

from streaming.demo.plan import demo_settings


def test_the_whole_year_takes_a_larger_heap(tmp_path: Path) -> None:
    assert demo_settings(tmp_path, whole_year=False).flink_heap_mb == 1024
    year = demo_settings(tmp_path, whole_year=True)
    assert (year.flink_heap_mb, year.state_dir) == (1792, tmp_path)


def test_a_heap_that_is_set_is_never_made_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESTREAM_FLINK_HEAP_MB", "4096")
    assert demo_settings(tmp_path, whole_year=True).flink_heap_mb == 4096
