"""How it runs: Kafka, Flink, intake, ingest, scoring, audit and the embedded stack."""
