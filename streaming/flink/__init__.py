"""Flink SQL of the feature views, the live job and the backfill."""
