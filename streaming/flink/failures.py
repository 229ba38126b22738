"""Failures inside Flink's JVM, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError, Py4JJavaError
from pyflink.util.exceptions import JavaException

from features.errors import SamestreamError

_CAUSE = "Caused by: "


class JobFailedError(SamestreamError, RuntimeError):
    """A Flink job could not start, or ended by itself."""


@contextmanager
def job_failures(job: str) -> Iterator[None]:
    """Turn every error of the JVM into a `JobFailedError` with the root exception.

    Args:
        job: name of the job in the message.
    """
    try:
        yield
    except (Py4JJavaError, JavaException) as error:
        msg = f"Flink job {job!r} failed: {root_exception(str(error))}"
        raise JobFailedError(msg) from error
    except Py4JError as error:
        msg = f"Flink job {job!r} failed: its JVM ended ({error})"
        raise JobFailedError(msg) from error


def root_exception(stack_trace: str) -> str:
    """Return class and message of the innermost cause of a Java stack trace."""
    lines = [line.strip() for line in stack_trace.splitlines() if line.strip()]
    causes = [line.removeprefix(_CAUSE) for line in lines if line.startswith(_CAUSE)]
    return (causes or lines or ["unknown"])[-1 if causes else 0]
