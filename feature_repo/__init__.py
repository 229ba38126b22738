"""Where features are kept: the Feast repository and the stores."""
