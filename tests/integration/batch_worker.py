"""`samestream predict` with small chunks: STATE REQUESTS MODEL OUT CHUNK_ROWS."""

import sys
from pathlib import Path

from streaming.batch.predict import BatchPrediction, predict
from streaming.console import Console
from streaming.settings import Settings

state, requests, model, out = (Path(argument) for argument in sys.argv[1:5])
predict(
    Settings(definitions="batch_definitions", state_dir=state),
    BatchPrediction(
        service="batch_fraud",
        requests=requests,
        out=out,
        model=model,
        chunk_rows=int(sys.argv[5]),
    ),
    Console(),
)
