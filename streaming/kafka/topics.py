"""Names of Kafka topics, derived in one place."""

from features.fingerprint import view_fingerprint
from features.service import FeatureService
from features.source import EventSource
from features.view import FeatureView

PROGRESS_TOPIC = "features.progress"


def raw_topic(source: EventSource) -> str:
    """Topic that producers publish to."""
    return f"{source.name}.raw"


def validated_topic(source: EventSource) -> str:
    """Topic of the validated log."""
    return source.name


def late_topic(source: EventSource) -> str:
    """Topic of the late events."""
    return f"{source.name}.late"


def dead_topic(source: EventSource) -> str:
    """Topic of the dead letters of intake."""
    return f"{source.name}.dead"


def features_topic(view: FeatureView) -> str:
    """Topic of the feature rows of one definition of a view."""
    return f"features.{view.name}.{view_fingerprint(view)}"


def predictions_topic(service: FeatureService) -> str:
    """Topic of the predictions of a service."""
    return f"predictions.{service.name}"


def http_predictions_topic(service: FeatureService) -> str:
    """Topic of the predictions that a service has answered over HTTP, requests included."""
    return f"predictions.{service.name}.http"


def predictions_dead_topic(service: FeatureService) -> str:
    """Topic of the requests that a service could not score."""
    return f"predictions.{service.name}.dead"


def promotions_topic(service: FeatureService) -> str:
    """Topic of the promotions of models of a service."""
    return f"models.{service.name}"
