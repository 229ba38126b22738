"""The root exception of a Java stack trace."""

import pytest

from streaming.flink.failures import root_exception

TRACE = """
org.apache.flink.util.FlinkException: Failed to execute
\tat org.apache.flink.Some.method(Some.java:1)
Caused by: java.lang.IllegalStateException: in between
\t... 3 more
Caused by: java.io.EOFException
\tat java.base/java.io.DataInputStream.readByte(Unknown Source)
"""


@pytest.mark.parametrize(
    ("trace", "root"),
    [
        (TRACE, "java.io.EOFException"),
        ("java.lang.Error: alone\n\tat x.y(Z.java)", "java.lang.Error: alone"),
        ("", "unknown"),
    ],
)
def test_root_exception(trace: str, root: str) -> None:
    assert root_exception(trace) == root
