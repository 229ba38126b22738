"""What a running job tells over Flink's REST interface."""

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from features.errors import SamestreamError
from streaming.settings import Settings

_TIMEOUT_SECONDS = 10
_LATE = "numLateRecordsDropped"


class FlinkUnavailableError(SamestreamError, ConnectionError):
    """No running Flink job answers."""


class LiveJobNotFoundError(SamestreamError, LookupError):
    """No live job runs on a state directory."""


def rest_address_file(settings: Settings) -> Path:
    """Where the running live job says how its REST interface is reached."""
    return settings.state_dir / "config" / "flink-live.url"


def live_rest_url(settings: Settings) -> str:
    """Return the address of the REST interface of the running live job.

    Raises:
        LiveJobNotFoundError: No live job runs on the state directory.
    """
    try:
        return rest_address_file(settings).read_text(encoding="ascii")
    except FileNotFoundError as error:
        msg = f"state directory {settings.state_dir}: no live job runs on it; start it first"
        raise LiveJobNotFoundError(msg) from error


def dropped_late_records(rest_url: str) -> int:
    """Return how many records all operators of the running job dropped as late; must be 0.

    One dropped record stays missing from a subtracting window for ever.

    Raises:
        FlinkUnavailableError: No job runs there, or it has not reported its metrics yet.
    """
    dropped, operators = 0, 0
    for job in _get(rest_url, "/jobs")["jobs"]:
        if job["status"] != "RUNNING":
            continue
        for vertex in _get(rest_url, f"/jobs/{job['id']}")["vertices"]:
            path = f"/jobs/{job['id']}/vertices/{vertex['id']}/subtasks/metrics"
            names = [item["id"] for item in _get(rest_url, path) if item["id"].endswith(_LATE)]
            operators += len(names)
            for name in names:
                summed = _get(rest_url, f"{path}?get={quote(name)}&agg=sum")
                dropped += sum(int(item["sum"]) for item in summed)
    if not operators:
        msg = f"Flink at {rest_url}: got no {_LATE} of a running job; wait until it runs"
        raise FlinkUnavailableError(msg)
    return dropped


def _get(rest_url: str, path: str) -> Any:  # noqa: ANN401 - JSON
    address = urlsplit(rest_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            msg = f"Flink at {rest_url}{path}: got status {response.status}"
            raise FlinkUnavailableError(msg)
    except OSError as error:
        msg = f"Flink at {rest_url}: no answer ({error}); is the live job running?"
        raise FlinkUnavailableError(msg) from error
    finally:
        connection.close()
    return json.loads(body)
