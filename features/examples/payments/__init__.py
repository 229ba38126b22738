"""Will this card payment be charged back as fraud? Asked while the payment waits for an answer."""

from features.examples.payments.definitions import DEFINITIONS

__all__ = ["DEFINITIONS"]
