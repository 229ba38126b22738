"""History in files: what is read from them, and how bad files are told."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from streaming.intake.history_files import HistoryFileError, HistoryFiles

SOURCE = EventSource(
    name="parcels",
    fields=(
        Field(name="order", type=Int64(), nullable=True),
        Field(name="fee", type=Float64(), nullable=True),
        Field(name="express", type=Bool(), nullable=True),
        Field(name="depot", type=String(), nullable=True),
        Field(name="due", type=TimestampMs(), nullable=True),
        Field(name="price", type=Decimal(precision=30, scale=12), nullable=True),
    ),
    lateness=timedelta(seconds=1),
    max_clock_skew=timedelta(milliseconds=5),
)
SCHEMA = pa.schema(
    {
        "event_id": pa.string(),
        "event_time_ms": pa.int64(),
        "order": pa.int64(),
        "fee": pa.float64(),
        "express": pa.bool_(),
        "depot": pa.string(),
        "due": pa.int64(),
        "price": pa.decimal128(30, 12),
    }
)
COLUMNS = tuple(SCHEMA.names)


def event(time_ms: Any = 5, event_id: Any = "a", **more: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {
        "event_id": event_id,
        "event_time_ms": time_ms,
        **more,
    }


def files(tmp_path: Path, *patterns: str, memory_mb: int = 256) -> HistoryFiles:
    return HistoryFiles(
        SOURCE,
        patterns or [str(tmp_path / "*")],
        memory_mb=memory_mb,
        spill_dir=tmp_path / "spill",
    )


def read(tmp_path: Path, *patterns: str, end_ms: int | None = None) -> list[Any]:
    with files(tmp_path, *patterns) as history:
        history.check()
        return list(history.events(end_ms))


def write_csv(path: Path, *rows: str, header: str = ",".join(COLUMNS)) -> None:
    path.write_text("".join(f"{row}\n" for row in (header, *rows)), encoding="utf-8")


def write_parquet(path: Path, table: dict[str, Any]) -> None:
    pq.write_table(pa.table({name: [None] for name in COLUMNS} | table), path)


EVENTS = [
    event(5, "b", order=-(2**63), fee=0.1 + 0.2, express=True, depot="Zürich", due=-1),
    event(5, "bb", order=2**63 - 1, fee=-5e-324, express=False, depot='a,"b"\nc'),
    event(6, "a", fee=1.7976931348623157e308, price=Number("123456789012345678.000000000001")),
    event(6, "ä", price=Number("-0.000000000001"), depot=" "),
    event(6, "\U0001f680", due=10**15),
]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_values_come_back_as_they_were_in_the_order_of_time_and_id(
    tmp_path: Path, suffix: str
) -> None:
    shuffled = random.Random(1).sample(EVENTS, len(EVENTS))
    for at, part in enumerate((shuffled[:2], shuffled[2:])):
        table = pa.Table.from_pylist(part, schema=SCHEMA)
        if suffix == ".csv":
            pa_csv.write_csv(table, tmp_path / f"{at}.csv")
        else:
            pq.write_table(table, tmp_path / f"{at}.parquet")
    found = read(tmp_path)
    assert found == EVENTS
    assert list(found[0]) == list(COLUMNS)


def test_parquet_and_csv_with_other_columns_in_another_order_mix(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([event(7)], schema=SCHEMA), tmp_path / "a.parquet")
    write_csv(
        tmp_path / "b.csv",
        '"",,x,,,,,1970-01-01T00:00:00.006Z,b',
        header="depot,price,more,due,express,fee,order,event_time,event_id",
    )
    assert read(tmp_path) == [event(6, "b", depot=""), event(7)]


def test_the_end_is_exclusive_and_counts_only_what_is_before(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", *(f"{n},{n},,,,,," for n in range(5)))
    assert [e["event_time_ms"] for e in read(tmp_path, end_ms=3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("2013-01-31T10:00:00Z", 0),
        ("2013-01-31 10:00", 0),
        ("2013-01-31 12:00:00.0019+02", 1),
        ("2013-01-31T05:30:00-0430", 0),
        ("2013-01-31", -36_000_000),
    ],
)
def test_instants_in_csv(tmp_path: Path, written: str, milliseconds: int) -> None:
    write_csv(tmp_path / "a.csv", f"a,5,,,,,{written},")
    write_csv(
        tmp_path / "b.csv", f"a,{written},,,,,,", header="event_id,event_time," + _after_time()
    )
    base = int(datetime(2013, 1, 31, 10, tzinfo=UTC).timestamp()) * 1_000
    first, second = read(tmp_path)
    assert (first["due"], second["event_time_ms"]) == (base + milliseconds,) * 2


@pytest.mark.parametrize(
    ("type_", "milliseconds"),
    [
        (pa.timestamp("s"), 0),
        (pa.timestamp("us"), -1),
        (pa.timestamp("us", tz="Europe/Vienna"), -1),
        (pa.timestamp("ns"), -1),
        (pa.timestamp("ns", tz="UTC"), -1),
    ],
)
def test_instants_in_parquet_are_cut_off_downwards(
    tmp_path: Path, type_: Any, milliseconds: int
) -> None:
    micros = 0 if type_.unit == "s" else -999
    instant = datetime(2013, 1, 31, tzinfo=UTC) + timedelta(microseconds=micros)
    times = pa.array([instant.replace(tzinfo=None)]).cast(pa.timestamp(type_.unit)).cast(type_)
    if type_.tz == "Europe/Vienna":
        times = pa.array([instant], type_)
    columns = {"event_time": times, "event_id": ["a"], "due": times}
    table = {name: [None] for name in COLUMNS if name != "event_time_ms"} | columns
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    (found,) = read(tmp_path)
    base = int(datetime(2013, 1, 31, tzinfo=UTC).timestamp()) * 1_000
    assert (found["event_time_ms"], found["due"]) == (base + milliseconds,) * 2


def test_history_bigger_than_its_memory_is_sorted_on_disk(tmp_path: Path) -> None:
    count = 300_000
    query = (
        f"COPY (FROM range({count}) SELECT (range * 7919) % {count} AS event_time_ms, "
        "md5(range::VARCHAR) AS event_id, repeat(event_id, 5) AS depot, range AS order, "
        "NULL::DOUBLE AS fee, NULL::BOOLEAN AS express, NULL::BIGINT AS due, "
        f"NULL::DECIMAL(30, 12) AS price) TO '{tmp_path}/big.parquet' (ROW_GROUP_SIZE 20_000)"
    )
    duckdb.sql(query.replace("AS order", 'AS "order"'))
    spill = tmp_path / "spill"
    with files(tmp_path, str(tmp_path / "big.parquet"), memory_mb=100) as history:
        assert history.check() == count
        events = history.events()
        first = next(events)
        assert first["event_time_ms"] == 0
        assert any(spill.iterdir())
        rest = [e["event_time_ms"] for e in events]
    assert rest == list(range(1, count))


def _after_time() -> str:
    return ",".join(COLUMNS[2:])


def bad_files() -> Iterator[Any]:
    def case(name: str, message: str, **content: Any) -> Any:
        return pytest.param(content, message, id=name)

    good = "a,5,,,,,,"
    yield case("csv word as int64", "a.csv, column order, row 3: got 'abc'; allowed is a whole",
               csv=[good, good, "a,5,abc,,,,,", "a,5,abd,,,,,"])  # fmt: skip
    for name, cell in (
        ("order", "1.5"), ("order", "9223372036854775808"), ("order", "1_0"), ("order", "0x1"),
        ("fee", "1,5"), ("fee", "1_0.5"), ("fee", "--1"), ("express", "1"), ("express", "yes"),
        ("due", "now"), ("due", "2013-02-30T00:00:00Z"), ("due", "infinity"),
        ("price", "1e100"), ("price", "nan"),
    ):  # fmt: skip
        at = COLUMNS.index(name)
        row = ["a", "5", *[""] * 6]
        row[at] = f'"{cell}"'
        yield case(f"csv {name} {cell}", f"a.csv, column {name}, row 2: got '{cell}'; allowed is",
                   csv=[good, ",".join(row)])  # fmt: skip
    yield case("csv without a time", "a.csv, column event_time_ms, row 2: got null; allowed is",
               csv=[good, "a,,,,,,,"])  # fmt: skip
    yield case("csv with an unparsable time", "a.csv, column event_time_ms, row 1: got 'x'; ",
               csv=["a,x,,,,,,"])  # fmt: skip
    yield case("csv row too short", "a.csv, every column, row 2: Expected Number of Columns: 8",
               csv=[good, "a,5"])  # fmt: skip
    yield case("csv row too long", "a.csv, every column, row 1: Expected Number of Columns: 8",
               csv=[good + ",x"])  # fmt: skip
    yield case("csv open quote", "a.csv, every column, row 1: Value with unterminated quote",
               csv=['a,5,,,,"x,,'])  # fmt: skip
    yield case("csv without a column", "a.csv, column price, every row: missing; the file has",
               csv=[], header=",".join(COLUMNS[:-1]))  # fmt: skip
    yield case("csv without time column", "column event_time or event_time_ms, every row: missing",
               csv=[], header="event_id," + _after_time())  # fmt: skip
    yield case("csv with a column twice", "a.csv, column fee, header: named twice",
               csv=[], header=",".join(COLUMNS) + ",fee")  # fmt: skip
    yield case("csv with both times", "a.csv, column event_time_ms, every row: got it beside",
               csv=[], header=",".join(COLUMNS) + ",event_time")  # fmt: skip
    yield case("empty csv", "a.csv, column event_id, every row: missing; the file has no columns",
               bytes=b"", suffix=".csv")  # fmt: skip
    yield case("csv in another encoding", "a.csv, every column, row 1: Invalid unicode",
               bytes=(",".join(COLUMNS) + "\na,5,,,,\xff,,\n").encode("latin-1"),
               suffix=".csv")  # fmt: skip
    yield case("no parquet", "a.parquet: cannot be read as Parquet",
               bytes=b"PAR1", suffix=".parquet")  # fmt: skip
    yield case("another suffix", "a.json: got .json; allowed are .parquet and .csv",
               bytes=b"", suffix=".json")  # fmt: skip
    yield case("parquet without a time", "a.parquet, column event_time_ms, row 3: got null;",
               parquet=dict.fromkeys(COLUMNS, [None] * 3)
               | {"event_time_ms": [1, 2, None]})  # fmt: skip
    for name, values, found in (
        ("order", pa.array([1.5]), "DOUBLE"),
        ("order", pa.array([True]), "BOOLEAN"),
        ("order", pa.array([1], pa.uint64()), "UBIGINT"),
        ("fee", pa.array([1]), "BIGINT"),
        ("express", pa.array([1]), "BIGINT"),
        ("depot", pa.array([1]), "BIGINT"),
        ("due", pa.array(["2013-01-31T00:00:00Z"]), "VARCHAR"),
        ("price", pa.array([1.5]), "DOUBLE"),
        ("event_id", pa.array([1]), "BIGINT"),
        ("event_time_ms", pa.array([1.0]), "DOUBLE"),
    ):
        yield case(f"parquet {name} {found}",
                   f"a.parquet, column {name}, every row: got {found}; allowed for ",
                   parquet={"event_time_ms": [1], name: values})  # fmt: skip


@pytest.mark.parametrize(("content", "message"), list(bad_files()))
def test_a_bad_file_is_told_in_one_line(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    if "csv" in content:
        header = content.get("header", ",".join(COLUMNS))
        write_csv(tmp_path / "a.csv", *content["csv"], header=header)
    elif "parquet" in content:
        write_parquet(tmp_path / "a.parquet", content["parquet"])
    else:
        (tmp_path / f"a{content['suffix']}").write_bytes(content["bytes"])
    # Files that are good do not hide the bad one.
    pq.write_table(pa.Table.from_pylist([event()], schema=SCHEMA), tmp_path / "good.parquet")

    with pytest.raises(HistoryFileError) as told:
        read(tmp_path)

    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_good_files_beside_them_are_read(tmp_path: Path) -> None:
    """Negative control of the table above."""
    pq.write_table(pa.Table.from_pylist([event()], schema=SCHEMA), tmp_path / "good.parquet")
    write_csv(tmp_path / "a.csv", 'b,6,-1,-1.5e-3,TRUE,"",2013-01-31T00:00:00Z,1.')
    assert [e["event_id"] for e in read(tmp_path)] == ["a", "b"]


def test_the_row_is_right_in_a_big_file(tmp_path: Path) -> None:
    rows = ['a,5,,,,"two\nlines",,'] * 400_000
    rows[390_000] = "a,5,abc,,,,,"
    write_csv(tmp_path / "a.csv", *rows)
    with pytest.raises(HistoryFileError, match="column order, row 390001: got 'abc'"):
        read(tmp_path)
    pq.write_table(
        pa.table(
            {name: pa.nulls(400_000, SCHEMA.field(name).type) for name in COLUMNS}
            | {"event_time_ms": pa.array([None if n == 390_000 else n for n in range(400_000)])}
        ),
        tmp_path / "b.parquet",
        row_group_size=50_000,
    )
    with pytest.raises(HistoryFileError, match="column event_time_ms, row 390001: got null"):
        read(tmp_path, str(tmp_path / "b.parquet"))


@pytest.mark.parametrize("pattern", ["*.parquet", "", "missing/*.csv"])
def test_no_files(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "note.txt").touch()
    with pytest.raises(
        HistoryFileError, match=r"history of parcels: got '.*', which names no file"
    ):
        files(tmp_path, str(tmp_path / pattern))


def test_a_directory_is_read_with_what_is_below(tmp_path: Path) -> None:
    for at, place in enumerate(["a", "b/depot=x", "odd [1] *?"]):
        (tmp_path / place).mkdir(parents=True)
        table = pa.Table.from_pylist([event(at)], schema=SCHEMA)
        pq.write_table(table, tmp_path / place / "rows.parquet")
        (tmp_path / place / "_SUCCESS").touch()
    assert read(tmp_path, str(tmp_path)) == [event(0), event(1), event(2)]
    # A file that two patterns name is read once.
    patterns = (str(tmp_path / "a" / "*.parquet"), str(tmp_path / "a"))
    assert read(tmp_path, *patterns) == [event(0)]


def test_ties_are_ordered_by_content_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    tied = [event(depot="x", order=2), event(depot="y"), event(order=1)]
    orders = []
    for at, order in enumerate(itertools.permutations(tied)):
        for number, each in enumerate(order):
            path = tmp_path / str(at) / f"{number}.parquet"
            path.parent.mkdir(exist_ok=True)
            pq.write_table(pa.Table.from_pylist([each], schema=SCHEMA), path)
        orders.append(read(tmp_path, str(tmp_path / str(at))))
    assert all(order == orders[0] for order in orders)
