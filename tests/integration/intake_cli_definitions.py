"""Definitions over the source that SAMESTREAM_TEST_SOURCE names, for `samestream run intake`."""

import os

from streaming.kafka import client
from tests.integration.intake_worker import intake_definitions, intake_source

# A topic that is not there is waited for as long as a transaction may last.
client.TRANSACTION_TIMEOUT_MS = 3_000

DEFINITIONS = intake_definitions(intake_source(os.environ["SAMESTREAM_TEST_SOURCE"]))
