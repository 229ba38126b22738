"""The processes of the scoring benchmark: each function runs in one of its own, and returns."""

import threading
import time
from pathlib import Path
from typing import cast

import numpy as np

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from models.booster import load_booster, predict
from models.loading import Model
from models.online import OnlineScorer
from models.scorer import Scorer
from streaming.bench.loops import Run, run_loop
from streaming.bench.scoring_load import requests, service, trained_model, views
from streaming.bench.stock_feast import StockReader, open_stock
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import validated_topic
from streaming.scoring.process import BATCH_RECORDS, ScoringProcessor

_PREDICTED_ROWS = 500
_PREDICTED_BATCHES = 100


def run_scorer(kafka: KafkaConnection, online_store: str, records: int, name: str) -> Run:
    """Score the requests of the validated log as the stream scorer does."""
    reader = OnlineReader(connect(online_store), project=PROJECT, views=views)
    return _run(kafka, reader, records, name)


def run_stock_scorer(
    kafka: KafkaConnection, online_store: str, directory: Path, records: int, name: str
) -> Run:
    """Do the same with features from Feast's own calls."""
    stock = StockReader(open_stock(directory, online_store), service)
    return _run(kafka, cast("OnlineReader", stock), records, name)


def predictions_per_second(rounds: int) -> list[float]:
    """Return how many rows a second the model alone scores, in batches of 500, in each round."""
    booster = _scorer().model.booster
    vectors = np.random.default_rng(1).uniform(0, 1_000, (_PREDICTED_ROWS, len(service.features)))
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for _ in range(_PREDICTED_BATCHES):
            predict(booster, vectors)
        found.append(_PREDICTED_ROWS * _PREDICTED_BATCHES / (time.perf_counter() - began))
    return found[1:]


def _run(kafka: KafkaConnection, reader: OnlineReader, records: int, name: str) -> Run:
    stop = threading.Event()
    processor = ScoringProcessor(
        service=service,
        online=OnlineScorer(service, reader, max_wait_seconds=20.0, stop=stop),
        scorer=_scorer(),
        stop=stop,
    )
    return run_loop(
        kafka,
        validated_topic(requests),
        processor,
        records,
        batch_records=BATCH_RECORDS,
        name=name,
        stop=stop,
    )


def _scorer() -> Scorer:
    trained = trained_model()
    booster = load_booster(trained.booster, nthread=1)
    return Scorer(service, Model(version="1", manifest=trained.manifest, booster=booster))
