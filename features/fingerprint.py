"""Fingerprints: a short name for everything that determines the values of a definition."""

import ast
import hashlib
import inspect
import json
import textwrap
from dataclasses import asdict

from features.on_demand import OnDemandFeature
from features.service import FeatureService
from features.view import FeatureView

# Raised when the engine itself gives other values for the same definition.
_ENGINE = 1
_DIGITS = 12


def view_fingerprint(view: FeatureView) -> str:
    """Twelve hexadecimal digits over everything that determines the rows of a view."""
    return _digest(
        {
            "engine": _ENGINE,
            "source": view.source.name,
            "lateness_ms": view.source.lateness_ms,
            "join_keys": [(key.name, key.type.word) for key in view.join_keys],
            "size_ms": view.window.size_ms,
            "slide_ms": view.window.slide_ms,
            "aggregations": [
                (
                    aggregation.word,
                    asdict(aggregation),
                    [view.source.column(name).type.word for name in aggregation.columns()],
                )
                for aggregation in view.aggregations
            ],
        }
    )


def service_fingerprint(service: FeatureService) -> str:
    """Twelve hexadecimal digits over everything that determines the vectors of a service."""
    return _digest(
        {
            "engine": _ENGINE,
            "request": service.request.name,
            "views": {view.name: view_fingerprint(view) for view in service.views},
            "on_demand": [
                (feature.name, feature.inputs, _code(feature)) for feature in service.on_demand
            ],
            "features": service.features,
        }
    )


def _code(feature: OnDemandFeature) -> str:
    """Source text of the function without comments and layout."""
    source = textwrap.dedent(inspect.getsource(feature.function))
    return ast.unparse(ast.parse(source))


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
