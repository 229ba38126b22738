"""What must be there before the processes run: topics and the Feast repository."""

from feature_repo.feast_objects import apply
from feature_repo.rendering import load_store, render_feature_store
from features.definitions import Definitions, load_definitions
from streaming.kafka.admin import Admin
from streaming.kafka.topics import (
    PROGRESS_TOPIC,
    features_topic,
    http_predictions_topic,
    predictions_dead_topic,
    predictions_topic,
    promotions_topic,
)
from streaming.settings import Settings


def deploy(settings: Settings) -> Definitions:
    """Create the topics that are missing, apply the Feast repository, return the definitions.

    Raises:
        TopicError: a topic has another number of partitions than the settings say.
    """
    definitions = load_definitions(settings.definitions)
    create_topics(settings, definitions)
    apply_feast(settings)
    return definitions


def create_topics(settings: Settings, definitions: Definitions) -> None:
    """Create the topics that are missing; existing ones are checked."""
    services = definitions.services
    with Admin(settings.kafka) as admin:
        for source in definitions.sources:
            admin.create_source_topics(source, settings.partitions)
        admin.create_topics(
            [
                *(features_topic(view) for view in definitions.views),
                *(predictions_topic(service) for service in services),
                *(http_predictions_topic(service) for service in services),
                *(predictions_dead_topic(service) for service in services),
            ],
            settings.partitions,
        )
        admin.create_topics([PROGRESS_TOPIC, *map(promotions_topic, services)], 1)


def apply_feast(settings: Settings) -> None:
    """Write the Feast configuration into the state directory and register the definitions."""
    registry = settings.state_dir.resolve() / "registry" / "feast.db"
    registry.parent.mkdir(parents=True, exist_ok=True)
    render_feature_store(
        settings.feature_store_yaml, registry=registry, online_store=settings.online_store
    )
    store = load_store(settings.feature_store_yaml)
    apply(store, settings.definitions, settings.offline_dir)
