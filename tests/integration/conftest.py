"""One embedded stack for all integration tests of a session."""

from collections.abc import Iterator

import pytest

from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A running Kafka and Valkey; give every test its own topics and keys."""
    with EmbeddedStack(StateDirectory(tmp_path_factory.mktemp("stack"))) as running:
        yield running
