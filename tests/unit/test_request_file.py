"""Requests from table files: what is read, what is refused and how it is said."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.examples.flights import DEFINITIONS as FLIGHTS
from features.examples.payments import DEFINITIONS as PAYMENTS
from features.fields import Bool, FieldType, Float64, Int64, String, TimestampMs
from features.fields import Decimal as DecimalType
from models.cells import CellError, parse_cell
from models.request_file import RequestFileError, read_requests, write_table

FRAUD = PAYMENTS.service("payment_fraud")
FLIGHT = FLIGHTS.service("departure_delay")
MONEY = DecimalType(precision=4, scale=2)
TIMES = "event_time_ms or event_timestamp or event_time"

HEADER = "event_time,card,customer,merchant,country,amount,hour,card_issued,distance_km,label,note"
FIRST = "2024-03-01T00:00:00.250Z,007,9007199254740993,shop,CH,10.5,23,,1.25,True,NA"
SECOND = "2024-03-01T01:00:00+01:00,c,2,,NA,-3.00,0,1700000000000,,False,"


def csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_csv_file(tmp_path: Path) -> None:
    rows = read_requests(csv(tmp_path / "r.csv", HEADER, FIRST, SECOND), FRAUD)

    assert rows["event_time_ms"].tolist() == [1_709_251_200_250, 1_709_251_200_000]
    assert rows["event_timestamp"].tolist() == [
        pd.Timestamp("2024-03-01T00:00:00.250Z"),
        pd.Timestamp("2024-03-01T00:00:00Z"),
    ]
    assert rows["card"].tolist() == ["007", "c"]
    assert rows["customer"].tolist() == [2**53 + 1, 2]
    assert rows["merchant"].tolist() == ["shop", None]
    assert rows["country"].tolist() == ["CH", "NA"]
    assert rows["amount"].tolist() == [Decimal("10.50"), Decimal("-3.00")]
    assert rows["card_issued"].isna().tolist() == [True, False]
    assert rows["label"].tolist() == [True, False]
    assert rows["note"].tolist()[0] == "NA"
    # Neither the id nor fields that no feature depends on are made up.
    assert not {"event_id", "fee", "declined"} & set(rows.columns)


def test_a_parquet_file_gives_the_same_requests(tmp_path: Path) -> None:
    expected = read_requests(csv(tmp_path / "r.csv", HEADER, FIRST, SECOND), FRAUD)
    write_table(expected, tmp_path / "r.parquet")

    rows = read_requests(tmp_path / "r.parquet", FRAUD)

    assert list(rows.columns) == list(expected.columns)
    for name in FRAUD.request_types.keys() & set(rows.columns) | {"event_timestamp"}:
        pd.testing.assert_series_equal(rows[name], expected[name])


def test_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    lines = [HEADER, FIRST.replace(".250Z", ""), SECOND.replace("+01:00", "")]
    rows = read_requests(csv(tmp_path / "r.csv", *lines), FRAUD)
    assert rows["event_time_ms"].tolist() == [1_709_251_200_000, 1_709_254_800_000]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [HEADER.replace("merchant", "shop"), FIRST],
            "got no column merchant; service 'payment_fraud' needs the time of the request and",
        ),
        ([HEADER.replace("event_time", "when"), FIRST], f"got no column {TIMES}; service"),
        ([HEADER], "got no rows"),
        (
            [HEADER, FIRST, SECOND.replace("2024-03-01T", "yesterday ")],
            "row 2, column event_time: got 'yesterday 01:00:00+01:00'; allowed is milliseconds",
        ),
        ([HEADER, FIRST, "," + SECOND.split(",", 1)[1]], "row 2, column event_time: got no time"),
        ([HEADER, FIRST.replace("10.5", "10.505")], "row 1, column amount: got '10.505'; allowed"),
        ([HEADER, FIRST.replace(",23,", ",late,")], "row 1, column hour: got 'late'; allowed is a"),
        (
            [f"{HEADER},event_time_ms", f"{FIRST},1709251200251"],
            "row 1: got event_time_ms and event_time with different times",
        ),
        ([f"{HEADER},card_30s_count", f"{FIRST},1"], "got the column 'card_30s_count', which is a"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, lines: list[str], told: str) -> None:
    path = csv(tmp_path / "r.csv", *lines)
    with pytest.raises(RequestFileError) as error:
        read_requests(path, FRAUD)
    assert str(error.value).startswith(f"{path}")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestFileError, match=r"r.csv: it cannot be read \(.*No such file"):
        read_requests(tmp_path / "r.csv", FLIGHT)
    with pytest.raises(RequestFileError, match=r"got the suffix '.json'; allowed are .parquet"):
        read_requests(tmp_path / "r.json", FLIGHT)
    with pytest.raises(RequestFileError, match=r"r.parquet: it cannot be read \("):
        read_requests(csv(tmp_path / "r.parquet", "not", "parquet"), FLIGHT)
    with pytest.raises(RequestFileError, match=r"r.csv: it cannot be read \("):
        read_requests(csv(tmp_path / "r.csv"), FLIGHT)


def test_a_table_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    path = csv(tmp_path / "out.parquet", "former")
    with pytest.raises(Exception, match="mixed"):
        write_table(pd.DataFrame({"mixed": [1, "a"]}), path)
    assert path.read_text() == "former\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(RequestFileError, match=r"out.csv: it cannot be written \(.*missing"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "missing" / "out.csv")


@pytest.mark.parametrize(
    ("type_", "cell", "value"),
    [
        (Int64(), "-12", -12),
        (Int64(), 3.0, 3),
        (Int64(), "1651190400000.0", 1_651_190_400_000),
        (Int64(), "9223372036854775807", 2**63 - 1),
        (Bool(), "TRUE", True),
        (Bool(), False, False),
        (Float64(), "-0.5", -0.5),
        (String(), "", ""),
        (MONEY, "1.5", Decimal("1.50")),
        (MONEY, Decimal("-99.99"), Decimal("-99.99")),
        (MONEY, 2, Decimal("2.00")),
        (TimestampMs(), "1500", 1_500),
        (TimestampMs(), "-1500.0", -1_500),
        (TimestampMs(), pd.Timestamp("1970-01-01T00:00:01.0019Z"), 1_001),
        (TimestampMs(), "1969-12-31 23:59:59.999", -1),
    ],
)
def test_cells(type_: FieldType, cell: Any, value: Any) -> None:
    parsed = parse_cell(type_, cell)
    assert (parsed, type(parsed)) == (value, type(value))
    assert str(parsed) == str(value)


@pytest.mark.parametrize(
    ("type_", "cell"),
    [
        (Int64(), "1.5"),
        (Int64(), "9223372036854775808"),
        (Int64(), "nan"),
        (Int64(), 1.5),
        (Int64(), True),
        (Bool(), "yes"),
        (Bool(), 1),
        (Float64(), "inf"),
        (String(), 7),
        (MONEY, "1.005"),
        (MONEY, "100.00"),
        (MONEY, 0.1),
        (MONEY, "NaN"),
        (TimestampMs(), "soon"),
        (TimestampMs(), "2024-13-01"),
    ],
)
def test_cells_that_hold_no_value(type_: FieldType, cell: Any) -> None:
    with pytest.raises(CellError, match=r"got .*; allowed is "):
        parse_cell(type_, cell)
