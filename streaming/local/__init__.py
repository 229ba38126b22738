"""The embedded stack: Kafka and Valkey as local processes, with everything they need."""
