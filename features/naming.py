"""Where the names of features come from."""

from features.aggregation import Aggregation


def feature_name(view: str, aggregation: Aggregation) -> str:
    """Name of a feature: `<view>_<column>_<aggregation>`; a count has no column."""
    return "_".join((view, *aggregation.columns(), aggregation.word))
