"""Runs the live job of `flink_streams.definitions`; settings come from the environment."""

import logging
import sys

from flink_streams import definitions

from features.errors import SamestreamError
from streaming.flink.live import run_live_job
from streaming.settings import Settings

logging.basicConfig(level=logging.INFO)
try:
    run_live_job(Settings(), definitions(sys.argv[1]))
except SamestreamError as error:
    sys.exit(str(error))
