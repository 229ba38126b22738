"""The MLflow client: the only module that imports MLflow.

MLflow takes seconds and hundreds of megabytes to import, so that happens when a client is opened.
"""

import logging
import os
from typing import Any

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def open_client(tracking_uri: str) -> Any:  # noqa: ANN401
    """Open a client of a server or a database; it reports its use to nobody."""
    # MLflow reads these while it is imported.
    os.environ.update(_QUIET)
    from mlflow import MlflowClient  # noqa: PLC0415

    # Creating the database logs each of its hundred migrations.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
