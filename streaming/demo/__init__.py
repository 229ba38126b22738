"""The demonstration: the whole system on the flights example, proven at the end."""
