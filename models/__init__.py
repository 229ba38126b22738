"""What features are for: training sets, models, the registry and the scorer."""
