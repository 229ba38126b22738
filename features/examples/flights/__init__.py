"""Will this flight leave more than 15 minutes late? Asked one hour before its schedule."""

from features.examples.flights.definitions import DEFINITIONS

__all__ = ["DEFINITIONS"]
