"""`samestream predict`: score a file of requests with the features of the offline store."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_repo.applied import applied_store, history_horizons_ms, rows_complete_until_ms
from feature_repo.asof import with_row_times
from feature_repo.online_store import connect
from feature_repo.precomputed import PrecomputedStore
from feature_repo.rendering import PROJECT
from features.definitions import load_definitions
from features.errors import SamestreamError
from features.fields import TimestampMs
from features.service import FeatureService
from models.answers import answer
from models.cells import CellError, parse_cell
from models.dataset import request_events
from models.loading import Model, load_model
from models.offline import OfflineReader
from models.prediction_table import check_request_columns, prediction_table
from models.request_chunks import RequestChunks
from models.scorer import Scorer
from streaming.batch.highest import Top
from streaming.batch.job import BatchJob, begun_job
from streaming.batch.result import check_result, write_result
from streaming.batch.summary import Summary, summary_of
from streaming.console import Console
from streaming.scoring.precomputed import PrecomputedPredictions
from streaming.scoring.promotion import read_promotions
from streaming.settings import Settings

CHUNK_ROWS = 50_000

# Raised when chunks get other columns.
_LAYOUT = 1


class NotPromotedError(SamestreamError, LookupError):
    """A service without a promoted model."""


@dataclass(frozen=True, kw_only=True)
class BatchPrediction:
    """What `samestream predict` is told.

    Attributes:
        service: name of the feature service.
        requests: Parquet or CSV file, see `models.request_file`.
        out: Parquet or CSV file to write, by its suffix.
        as_of_ms: time of all requests; None where the file tells the times.
        top: how many of the highest scores to write; None for all rows.
        model: directory of a version of a model, whose name is the version; None for the model that
            is promoted in the running system.
        feature_store: Feast's configuration; None for that of the state directory.
        keep: whether the predictions are kept in the online store too.
        chunk_rows: how many requests are in memory at once.
    """

    service: str
    requests: Path
    out: Path
    as_of_ms: int | None = None
    top: Top | None = None
    model: Path | None = None
    feature_store: Path | None = None
    keep: bool = False
    chunk_rows: int = CHUNK_ROWS


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 time; without a zone it is UTC, as in files.

    Raises:
        CellError: It is none.
    """
    try:
        instant: int = parse_cell(TimestampMs(), text)
    except CellError as error:
        msg = f"--as-of: {error}"
        raise CellError(msg) from error
    return instant


def predict(settings: Settings, asked: BatchPrediction, console: Console) -> Summary:
    """Score the requests of a file and write them with their predictions, in the same order.

    A run that was interrupted goes on after its finished chunks when it is asked the same again.

    Args:
        settings: the definitions, and where the system is.
        asked: what to do.
        console: shows progress, and whether an earlier run is continued.

    Returns:
        What became of the requests.
    """
    service = load_definitions(settings.definitions).service(asked.service)
    chunks = RequestChunks(
        asked.requests, service, as_of_ms=asked.as_of_ms, chunk_rows=asked.chunk_rows
    )
    check_request_columns(service, chunks.schema.names)
    check_result(asked.out, chunks.schema)
    feature_store = asked.feature_store or settings.feature_store_yaml
    store = with_row_times(applied_store(feature_store, settings.definitions, service))
    model = _model(settings, service, asked.model)
    scorer = Scorer(service, model)
    terms = _terms(asked, service, model, feature_store)
    # The archive only adds rows; a backfill replaces them.
    terms["backfill"] = history_horizons_ms(store, service)
    pinned = {"complete_until_ms": rows_complete_until_ms(store, service)}
    with begun_job(asked.out, terms, pinned) as job:
        _tell(job, console)
        reader = OfflineReader(
            store,
            service,
            inputs=scorer.inputs,
            complete_until_ms=job.pinned["complete_until_ms"],
        )
        kept = _kept(settings, service) if asked.keep else None
        done = job.continued * asked.chunk_rows
        with console.bar() as bar:
            for number, chunk in enumerate(chunks.read(job.continued), start=job.continued):
                bar.update(done, chunks.rows, f"{done:,} requests")
                fetched = reader.fetch(chunk.requests)
                answers = answer(service, fetched, scorer)
                if kept is not None:
                    events = request_events(service, chunk.requests.iloc[answers.rows])
                    kept.put(answers.predictions, events)
                job.keep(number, prediction_table(service, chunk, fetched, answers))
                done += len(chunk.requests)
            bar.update(done, None, f"writing {asked.out.name}")
            finished = job.chunks()
            written = write_result(finished, asked.out, asked.top)
        return summary_of(service, model, finished, written)


def _model(settings: Settings, service: FeatureService, directory: Path | None) -> Model:
    if directory is not None:
        return load_model(directory, directory.resolve().name, service, nthread=_threads())
    promotions = read_promotions(settings.kafka, service)
    if not promotions:
        msg = (
            f"service {service.name!r}: no model is promoted; promote one, or name the directory "
            "of one with --model"
        )
        raise NotPromotedError(msg)
    newest = promotions[-1]
    return load_model(newest.path, newest.model_version, service, nthread=_threads())


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def _terms(
    asked: BatchPrediction, service: FeatureService, model: Model, feature_store: Path
) -> dict[str, Any]:
    """All that the chunks depend on; which of them are written in the end is not among it."""
    with asked.requests.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "layout": _LAYOUT,
        "service": service.name,
        "definitions": model.manifest.service_fingerprint,
        "max staleness": str(service.max_staleness),
        "model version": model.version,
        "model": model.manifest.booster_sha256,
        "requests": content,
        "kind of file": asked.requests.suffix,
        "as-of": asked.as_of_ms,
        "feature store": str(feature_store.resolve()),
        "store": asked.keep,
        "rows of a chunk": asked.chunk_rows,
    }


def _kept(settings: Settings, service: FeatureService) -> PrecomputedPredictions:
    redis = connect(settings.online_store)
    return PrecomputedPredictions(PrecomputedStore(redis, project=PROJECT, service=service))


def _tell(job: BatchJob, console: Console) -> None:
    if job.changed:
        console.say(f"   starting over: an interrupted run had other {_listed(job.changed)}")
    elif job.continued:
        console.say(f"   going on after {job.continued} finished chunks of an interrupted run")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
