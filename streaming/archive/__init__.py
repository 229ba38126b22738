"""From the feature topics to the offline store."""
