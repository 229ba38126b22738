"""Unit tests of a feature service: what its model sees for a request, without JVM or broker."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.instant import from_ms
from features.service import FeatureService
from features.source import EVENT_TIME_MS
from features.testing import Event, SampleError, sample_event, served
from models.columns import as_column, column_types
from models.vector import FeatureVectorizer


def vector_of(
    service: FeatureService, request: Event, events: Mapping[str, Sequence[Event]]
) -> dict[str, float | str | None]:
    """Return the vector of a request by feature name: numbers, text for categories, null as None.

    Args:
        service: the definition.
        request: a sample event of the service's request source, see `features.testing`.
        events: sample events by the name of their source; a source that is left out has none.

    Raises:
        SampleError: The request or an event is not what its source allows.
    """
    sources = {view.source.name for view in service.views}
    if unknown := events.keys() - sources:
        msg = (
            f"service {service.name!r}: got events of {sorted(unknown)}; "
            f"allowed are {sorted(sources)}"
        )
        raise SampleError(msg)
    asked = sample_event(service.request, request, service.request_inputs, "request")
    values: dict[str, Any] = dict(asked)
    at = from_ms(asked[EVENT_TIME_MS])
    for view in service.views:
        keys = {key.name: asked[key.name] for key in view.join_keys}
        values |= served(view, events.get(view.source.name, ()), at, **keys)
    columns = {
        name: as_column(field_type, [values[name]])
        for name, field_type in column_types(service).items()
    }
    # With the request's own text as the vocabulary no text is unknown.
    texts = {name: values[name] for name in service.categories}
    vocabularies = {name: () if text is None else (text,) for name, text in texts.items()}
    (vector,) = FeatureVectorizer(service, vocabularies).vectors(columns)
    return {
        name: texts[name] if name in texts else None if np.isnan(number) else float(number)
        for name, number in zip(service.features, vector, strict=True)
    }
