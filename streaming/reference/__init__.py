"""The flights year against the figures of an independent implementation."""
