"""The gate: what becomes an event of the validated log."""
