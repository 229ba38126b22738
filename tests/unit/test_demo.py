"""What the demonstration decides before it starts anything."""

from pathlib import Path

import pytest

from streaming.demo.plan import demo_settings
from streaming.settings import Settings


def test_three_months_take_a_smaller_heap_than_the_whole_year(tmp_path: Path) -> None:
    year = demo_settings(tmp_path, whole_year=True)
    assert (year.flink_heap_mb, year.state_dir) == (Settings().flink_heap_mb, tmp_path)
    assert demo_settings(tmp_path, whole_year=False).flink_heap_mb < year.flink_heap_mb


@pytest.mark.parametrize("whole_year", [True, False])
def test_a_heap_that_is_set_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole_year: bool
) -> None:
    monkeypatch.setenv("SAMESTREAM_FLINK_HEAP_MB", "4096")
    assert demo_settings(tmp_path, whole_year=whole_year).flink_heap_mb == 4096
