"""From slices of Kafka topics to steps of the online store."""

from feature_repo.writer import InputSlice, ProgressStep, RowStep
from features.definitions import Definitions
from streaming.kafka.follower import Slice
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import feature_row_schema, progress_schema
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic


class StepDecoder:
    """Decodes the feature rows of all views, and their progress."""

    def __init__(self, definitions: Definitions) -> None:
        """Take the views to decode."""
        self._views = {
            features_topic(view): (view, RowDecoder(feature_row_schema(view)))
            for view in definitions.views
        }
        self._progress = RowDecoder(progress_schema())

    @property
    def feature_topics(self) -> list[str]:
        """The topics of the feature rows."""
        return list(self._views)

    def step(self, part: Slice) -> RowStep | ProgressStep:
        """Decode one slice.

        Raises:
            UndecodableError: A record that the Flink job cannot have written.
        """
        source = InputSlice(
            topic=part.topic,
            partition=part.partition,
            first_offset=part.first_offset,
            next_offset=part.next_offset,
        )
        if part.topic == PROGRESS_TOPIC:
            return ProgressStep(records=self._progress.decode(part.values), source=source)
        view, decoder = self._views[part.topic]
        return RowStep(view=view, rows=decoder.decode(part.values), source=source)
