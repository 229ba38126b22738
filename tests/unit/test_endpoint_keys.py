"""API keys: kept as hashes, compared in constant time."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from models.endpoint.keys import ApiKeyError, ApiKeys, add_key, read_keys


def test_a_made_key_is_accepted_and_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, second = add_key(file, "shop"), add_key(file, "app")
    keys = read_keys(file)
    assert keys.accepts(first)
    assert keys.accepts(second)
    assert not keys.accepts(first[:-1])
    assert not keys.accepts("")
    assert not keys.accepts("é\udcff".encode("utf-8", "ignore").decode())
    assert first not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    real = hmac.compare_digest

    def compare(found: str, known: str) -> bool:
        compared.append(known)
        return real(found, known)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in ("a", "b", "c")]
    for key, accepted in (("a", True), ("c", True), ("d", False)):
        compared.clear()
        assert ApiKeys(hashes).accepts(key) is accepted
        assert compared == hashes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "got no key"),
        ("# nothing\n\n", "got no key"),
        ("my-secret-key shop\n", "line 1: got something else"),
        ("A" * 64 + " shop\n", "line 1"),
        ("a" * 64 + "\n", "line 1"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(ApiKeyError, match=message) as refused:
        read_keys(file)
    assert "secret" not in str(refused.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ApiKeyError, match="samestream api-key"):
        read_keys(tmp_path / "none")


def test_a_name_is_one_word(tmp_path: Path) -> None:
    with pytest.raises(ApiKeyError, match="one word"):
        add_key(tmp_path / "keys", "two words")
