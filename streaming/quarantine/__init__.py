"""What intake did not accept, for operators: late events and dead letters."""
