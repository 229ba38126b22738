"""The offline rows that a backfill wrote, in the place of the former ones."""

from pathlib import Path

from feature_repo.offline import offline_path, offline_schema, view_id
from feature_repo.offline_parts import rows_after, write_part
from feature_repo.offline_snapshot import NextSnapshot, Part, SnapshotState, next_snapshot
from features.view import FeatureView


def ensure_readable(root: Path, view: FeatureView) -> None:
    """Give a view that has no rows yet an empty file, because DuckDB refuses no files."""
    if any(offline_path(root, view).glob("*.parquet")):
        return
    with next_snapshot(root, view_id(view)) as snapshot:
        if snapshot.former.number:
            return
        empty = write_part(snapshot.new_file(), offline_schema(view), [])
        snapshot.commit(SnapshotState(number=snapshot.number, parts=(empty,)))


def replace_history(
    root: Path, view: FeatureView, path: Path, written: Part, horizon_ms: int
) -> None:
    """Replace the rows of a view up to a horizon, in one step.

    Rows after the horizon that the archive wrote stay. Where they do not follow on it, because a
    former backfill went further than this one, they go too, and the archive begins again behind
    the horizon.

    Args:
        root: root of the offline store.
        view: the definition.
        path: file of the rows, on the file system of `root`; it is moved.
        written: what is in it.
        horizon_ms: instant up to which the rows are final; none is after it.
    """
    until_ms = view.window.last_end_at(horizon_ms)
    with next_snapshot(root, view_id(view)) as snapshot:
        former = snapshot.former
        follows = former.horizon_ms is None or former.horizon_ms <= until_ms
        later = _later(snapshot, view, until_ms) if follows else []
        reached_ms = former.complete_until_ms if follows else None
        snapshot.commit(
            SnapshotState(
                number=snapshot.number,
                horizon_ms=until_ms,
                complete_until_ms=until_ms if reached_ms is None else max(until_ms, reached_ms),
                positions=former.positions if follows else {},
                parts=(snapshot.moved_in(path, written), *later),
            )
        )


def _later(snapshot: NextSnapshot, view: FeatureView, until_ms: int) -> list[Part]:
    """Return the parts after a window end; one across it is cut."""
    later = []
    for part in snapshot.former.parts:
        if part.first_end_ms is None or part.last_end_ms is None or part.last_end_ms <= until_ms:
            continue
        if part.first_end_ms > until_ms:
            later.append(part)
        else:
            rows = rows_after(snapshot.path_of(part), until_ms)
            later.append(write_part(snapshot.new_file(), offline_schema(view), rows, part.level))
    return later
