"""Bundled examples of definitions."""
