"""`samestream explain`: everything that follows from the definition of one view."""

from collections.abc import Iterator

from features.fingerprint import view_fingerprint
from features.view import FeatureView
from features.wording import (
    aggregation_text,
    condition_text,
    duration_text,
    type_text,
    window_text,
)
from streaming.describe.window_picture import window_picture
from streaming.flink.select import select_rows, view_statements


def explain(module: str, view: FeatureView) -> Iterator[str]:
    """Yield the definition, a window, the SQL and the Feast objects of a view, in this order.

    Args:
        module: the definitions module that the view is from.
        view: the view.
    """
    yield _definition(view)
    yield _section("One window", window_picture(view.window, view.source.lateness))
    yield _section("When", _instants(view))
    yield _section("SQL", _sql(view))
    yield _section("Feast", _feast(module, view))


def _definition(view: FeatureView) -> str:
    source = view.source
    keys = ", ".join(f"{key.name} {type_text(key.type)}" for key in view.join_keys)
    lines = [
        f"feature view {view.name}, fingerprint {view_fingerprint(view)}",
        "",
        f"source     {source.name}, lateness {duration_text(source.lateness)}",
        f"entity     {view.entity.name}, join keys {keys}",
        f"window     {window_text(view.window)}",
        "",
    ]
    rows = [("feature", "type", "value")]
    for feature, aggregation in zip(view.features, view.aggregations, strict=True):
        value = aggregation_text(aggregation)
        if aggregation.where is not None:
            condition = condition_text(aggregation.where.condition)
            value = f"{value}, where {condition} (filter {aggregation.where.name})"
        type_ = f"{type_text(feature.type)}{' or null' * feature.nullable}"
        rows.append((feature.name, type_, value))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines += [f"{name:<{widths[0]}}  {type_:<{widths[1]}}  {value}" for name, type_, value in rows]
    return "\n".join(lines)


def _instants(view: FeatureView) -> str:
    slide, lateness = duration_text(view.window.slide), duration_text(view.source.lateness)
    return (
        f"W              a multiple of {slide} since the epoch, UTC\n"
        f"a row          at each W at which an event entered or left; it holds until the next row\n"
        f"available-at   W + {lateness}; Feast's event_timestamp\n"
        f"a request at t sees the newest row with W <= t - {lateness}; null values if there is none"
    )


def _sql(view: FeatureView) -> str:
    statements = (*view_statements(view), select_rows(view))
    return "\n\n".join(f"{statement};" for statement in statements)


def _feast(module: str, view: FeatureView) -> str:
    # Feast takes seconds to load: what does not need it is out by then.
    from feature_repo.feast_text import feast_text  # noqa: PLC0415

    return feast_text(module, view)


def _section(title: str, text: str) -> str:
    return f"\n{title}\n{'-' * len(title)}\n{text}"
