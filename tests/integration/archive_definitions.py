"""Two views for the tests of the archive, of the shape that `feature_job` writes."""

from stop_definitions import stop

from features.definitions import Definitions
from features.view import FeatureView


def _view(name: str) -> FeatureView:
    return FeatureView(
        name=name,
        source=stop.source,
        entity=stop.entity,
        window=stop.window,
        aggregations=stop.aggregations,
    )


DEFINITIONS = Definitions(views=(_view("archived_stop"), _view("archived_twin")), services=())
