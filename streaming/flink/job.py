"""The statements that the live job and a backfill have in common."""

from collections.abc import Callable, Iterable, Mapping

from pyflink.table import TableEnvironment

from features.source import EventSource
from features.view import FeatureView
from streaming.flink.ddl import scan_tables
from streaming.flink.select import view_statements
from streaming.kafka.admin import Admin
from streaming.kafka.topics import validated_topic
from streaming.settings import Settings


def sources_of(views: Iterable[FeatureView]) -> tuple[EventSource, ...]:
    """Return the distinct sources of the views, by name."""
    by_name = {view.source.name: view.source for view in views}
    return tuple(by_name[name] for name in sorted(by_name))


def check_logs(settings: Settings, views: Iterable[FeatureView]) -> None:
    """Refuse validated logs that are not whole.

    Raises:
        TopicError: A log is missing, has another number of partitions or lost its beginning.
    """
    with Admin(settings.kafka) as admin:
        topics = [validated_topic(source) for source in sources_of(views)]
        admin.check_log(topics, settings.partitions)


def create_views(
    environment: TableEnvironment,
    settings: Settings,
    views: Iterable[FeatureView],
    *,
    end_offsets: Mapping[str, Mapping[int, int]] | None = None,
) -> None:
    """Create the scans of every source and the SELECT of every view.

    Args:
        environment: where to create them.
        settings: Kafka's address, partitions of the logs, parallelism.
        views: the views of the job.
        end_offsets: where to stop, by source name and partition; without it the scans never end.
    """

    def scans(source: EventSource, sizes_ms: tuple[int, ...]) -> tuple[str, ...]:
        return scan_tables(
            source,
            sizes_ms,
            kafka=settings.kafka,
            parallelism=min(settings.parallelism, settings.partitions),
            end_offsets=None if end_offsets is None else end_offsets[source.name],
        )

    create_views_over(environment, views, scans)


def create_views_over(
    environment: TableEnvironment,
    views: Iterable[FeatureView],
    scans: Callable[[EventSource, tuple[int, ...]], Iterable[str]],
) -> None:
    """Create scans and the SELECT of every view.

    Args:
        environment: where to create them.
        views: the views of the job.
        scans: gives the statements that create the scans of a source, for its window sizes in
            milliseconds.
    """
    views = tuple(views)
    for source in sources_of(views):
        sizes = {view.window.size_ms for view in views if view.source == source}
        for statement in scans(source, tuple(sorted(sizes))):
            environment.execute_sql(statement)
    for view in views:
        for statement in view_statements(view):
            environment.execute_sql(statement)
