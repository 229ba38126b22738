"""On-demand features inside Feast: the same functions, called on Feast's pandas frames."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions import load_definitions
from features.errors import SamestreamError
from features.fields import String
from features.fingerprint import service_fingerprint
from features.on_demand import compute_on_demand
from features.service import FeatureService


class ChangedDefinitionsError(SamestreamError, RuntimeError):
    """The installed definitions are not those that the registry was made from."""


def on_demand_inputs(service: FeatureService) -> list[str]:
    """Names that the on-demand features of a service read from outside, each once."""
    own = {feature.name for feature in service.on_demand}
    names = [name for feature in service.on_demand for name in feature.inputs]
    return [name for name in dict.fromkeys(names) if name not in own]


def compute_frame(
    module: str, service: str, fingerprint: str, inputs: pd.DataFrame
) -> pd.DataFrame:
    """Compute the on-demand features of a service; what the registry keeps calls this.

    Args:
        module: module that offers the definitions.
        service: name of the feature service.
        fingerprint: of the service when the registry was made.
        inputs: a column for every input, null where it has no value.

    Raises:
        ChangedDefinitionsError: The module now defines other values.
    """
    definition = _definition(module, service, fingerprint)
    texts = _text_columns(definition)
    columns = {
        name: as_array(inputs[name], text=name in texts) for name in on_demand_inputs(definition)
    }
    return pd.DataFrame(compute_on_demand(definition.on_demand, columns))


@lru_cache
def _definition(module: str, service: str, fingerprint: str) -> FeatureService:
    definition = load_definitions(module).service(service)
    if (now := service_fingerprint(definition)) != fingerprint:
        msg = (
            f"service {service!r}: the registry has fingerprint {fingerprint}, module {module} "
            f"now defines {now}; apply the definitions again or install those of the registry"
        )
        raise ChangedDefinitionsError(msg)
    return definition


def as_array(column: "pd.Series[Any]", *, text: bool) -> npt.NDArray[Any]:
    """Return an array as on-demand functions take it: float64 with NaN, or text with None."""
    if text:
        values = column.astype(object)
        return np.asarray(values.where(values.notna(), None), dtype=object)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def udf_source(module: str, service: FeatureService) -> str:
    """Text of the function that Feast's registry keeps; it names the definitions it came from."""
    return (
        "def transform(inputs):\n"
        "    from feature_repo.on_demand import compute_frame\n"
        f"    return compute_frame({module!r}, {service.name!r}, "
        f"{service_fingerprint(service)!r}, inputs)\n"
    )


def _text_columns(service: FeatureService) -> set[str]:
    fields = {field.name for field in service.request.fields if isinstance(field.type, String)}
    return fields | {
        feature.name
        for view in service.views
        for feature in view.features
        if isinstance(feature.type, String)
    }
