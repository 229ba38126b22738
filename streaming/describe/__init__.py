"""What definitions say, for people: explained, and compared."""
