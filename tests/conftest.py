"""Options and fixtures of the whole suite: one embedded stack for all tests of a session."""

from collections.abc import Iterator

import pytest

from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption(
        "--property-examples",
        type=int,
        default=20,
        help="sets of definitions, of 10 streams each, that the property suite tries",
    )
    parser.addoption(
        "--property-kills",
        type=int,
        default=5,
        help="kill -9 of the live job for each of two sets of definitions in the property suite",
    )
    parser.addoption(
        "--intake-kills",
        type=int,
        default=5,
        help="kill -9 of intake at each of four steps of its transactions",
    )
    parser.addoption(
        "--archive-kills",
        type=int,
        default=10,
        help="kill -9 of the archive while it writes without a broker; a fifth of them with one",
    )
    parser.addoption(
        "--fuzz-payloads",
        type=int,
        default=60_000,
        help="damaged payloads that intake must refuse or take for what they say",
    )
    parser.addoption(
        "--rebalance-seconds",
        type=int,
        default=20,
        help="how long instances of intake join and leave, one every 3 s",
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A running Kafka and Valkey; give every test its own topics and keys."""
    with EmbeddedStack(StateDirectory(tmp_path_factory.mktemp("stack"))) as running:
        yield running
