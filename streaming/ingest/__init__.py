"""From the feature topics to the online store."""
