"""Where the endpoint listens."""

import pytest

from models.endpoint.server import ExposedError, ListenError, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    with listen(host, 0, has_keys=False) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - refused
def test_beyond_loopback_needs_keys(host: str) -> None:
    with pytest.raises(ExposedError, match="samestream api-key"):
        listen(host, 0, has_keys=False)


def test_with_keys_it_listens_everywhere() -> None:
    with listen("0.0.0.0", 0, has_keys=True) as listener:  # noqa: S104 - has keys
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104


def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0, has_keys=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port, has_keys=False)


def test_a_host_that_is_none() -> None:
    with pytest.raises(ListenError, match="cannot listen on :0"):
        listen("", 0, has_keys=True)
