"""Kafka at the edge: topics, schemas, clients and the exactly-once loop."""
