"""Where the names of features come from."""

from features.aggregation import Aggregation


def feature_name(view: str, aggregation: Aggregation) -> str:
    """Name of a feature: `<view>_<filter>_<column>_<aggregation>`; a count has no column."""
    filtered = (aggregation.where.name,) if aggregation.where else ()
    return "_".join((view, *filtered, *aggregation.columns(), aggregation.word))
