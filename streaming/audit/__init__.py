"""Replay: recompute what was served and compare bits."""
