"""The jar lock and the cache: nothing but the locked bytes is ever returned."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from streaming.local.jars import (
    LOCK_FILE,
    DownloadProgress,
    JarDownloadError,
    JarLockError,
    ensure_jars,
    read_lock,
)
from streaming.local.maven import MavenArtefact, MavenError

CONTENT = {"one-1.0.jar": b"first" * 1000, "two-2.0-all.tar.gz": b"second" * 1000}


class FakeRepository:
    """Serves CONTENT, or what a test puts in its place, and counts requests."""

    def __init__(self) -> None:
        self.content = dict(CONTENT)
        self.requested: list[str] = []

    def __call__(
        self, artefact: MavenArtefact, directory: Path, progress: Callable[[int, int], None]
    ) -> Path:
        self.requested.append(artefact.file_name)
        content = self.content.get(artefact.file_name)
        if content is None:
            message = "not found"
            raise MavenError(message)
        path = directory / artefact.file_name
        path.write_bytes(content)
        progress(len(content), len(content))
        return path


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    one, two = (hashlib.sha256(content).hexdigest() for content in CONTENT.values())
    path = tmp_path / "jars.lock"
    path.write_text(
        f"kafka org.one one 1.0 - jar {one}\nkafka org.two two 2.0 all tar.gz {two}\n",
        encoding="utf-8",
    )
    return path


def test_the_lock_holds_every_set_with_unique_file_names() -> None:
    lock = read_lock()
    assert {name: len(jars) for name, jars in lock.items()} == {
        "kafka": 46,
        "flink": 12,
        "registry": 1,
    }
    digest_of: dict[str, str] = {}
    for jars in lock.values():
        for jar in jars:
            assert re.fullmatch("[0-9a-f]{64}", jar.sha256)
            assert digest_of.setdefault(jar.artefact.file_name, jar.sha256) == jar.sha256


def test_the_lock_names_no_server() -> None:
    text = LOCK_FILE.read_text(encoding="utf-8")
    assert "://" not in text


@pytest.mark.parametrize(
    "line", ["kafka org.one one 1.0 - jar", "python org.one one 1.0 - jar " + "0" * 64, "?"]
)
def test_a_line_of_another_shape_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "jars.lock"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(JarLockError, match=r"jars.lock, line 1: expected .*; got"):
        read_lock(path)


def test_missing_files_are_fetched_once_and_in_lock_order(tmp_path: Path, lock_file: Path) -> None:
    repository, seen = FakeRepository(), list[DownloadProgress]()
    cache = tmp_path / "cache"
    for _ in range(2):
        paths = ensure_jars("kafka", cache, seen.append, fetch=repository, lock_file=lock_file)
        assert {path.name: path.read_bytes() for path in paths} == CONTENT
        assert [path.name for path in paths] == list(CONTENT)
    assert sorted(repository.requested) == sorted(CONTENT)
    assert {(report.file_name, report.total_files) for report in seen} == {
        (name, 2) for name in CONTENT
    }
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *CONTENT])


@pytest.mark.parametrize(
    "damage", [b"", b"first", b"X" + CONTENT["one-1.0.jar"][1:]], ids=["empty", "cut", "altered"]
)
def test_a_damaged_file_in_the_cache_is_fetched_again(
    damage: bytes, tmp_path: Path, lock_file: Path
) -> None:
    repository = FakeRepository()
    paths = ensure_jars("kafka", tmp_path, fetch=repository, lock_file=lock_file)
    paths[0].write_bytes(damage)
    ensure_jars("kafka", tmp_path, fetch=repository, lock_file=lock_file)
    assert paths[0].read_bytes() == CONTENT["one-1.0.jar"]
    assert repository.requested.count("one-1.0.jar") == 2


def test_a_wrong_download_never_reaches_the_cache(tmp_path: Path, lock_file: Path) -> None:
    repository = FakeRepository()
    repository.content["one-1.0.jar"] = b"something else"
    with pytest.raises(JarDownloadError, match=r"org.one:one-1.0.jar .* sha256 .* locked is"):
        ensure_jars("kafka", tmp_path / "cache", fetch=repository, lock_file=lock_file)
    assert not (tmp_path / "cache" / "one-1.0.jar").exists()
    assert list((tmp_path / "cache").glob(".download-*")) == []


def test_a_failed_download_says_in_one_line_what_to_do(tmp_path: Path, lock_file: Path) -> None:
    repository = FakeRepository()
    del repository.content["two-2.0-all.tar.gz"]
    with pytest.raises(JarDownloadError) as caught:
        ensure_jars("kafka", tmp_path, fetch=repository, lock_file=lock_file)
    assert re.fullmatch(
        r"cannot download org\.two:two-2\.0-all\.tar\.gz after 3 attempts: not found; check the "
        r"network .* or put the file two-2\.0-all\.tar\.gz into .*",
        str(caught.value),
    )
    assert isinstance(caught.value, OSError)


def test_an_interrupted_download_is_cleared_away(tmp_path: Path, lock_file: Path) -> None:
    (tmp_path / ".download-killed").mkdir()
    (tmp_path / ".download-killed" / "one-1.0.jar").write_bytes(b"fir")
    ensure_jars("kafka", tmp_path, fetch=FakeRepository(), lock_file=lock_file)
    assert not (tmp_path / ".download-killed").exists()
