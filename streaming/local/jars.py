"""The jars of the embedded stack: exactly the locked artefacts, verified by sha256."""

import fcntl
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from features.errors import SamestreamError
from streaming.local.maven import MavenArtefact, MavenError, download

JarSet = Literal["kafka", "flink", "registry"]

DEFAULT_JAR_CACHE = Path("~/.cache/samestream/jars")
LOCK_FILE = Path(__file__).with_name("jars.lock")

_ATTEMPTS = 3
_PARALLEL_DOWNLOADS = 4
_DOWNLOAD_PREFIX = ".download-"


class JarLockError(SamestreamError, ValueError):
    """The lock file of the jars cannot be read."""


class _DownloadStoppedError(SamestreamError):
    """Another download failed or the user interrupted; raised inside the others to end them."""


class JarDownloadError(SamestreamError, OSError):
    """A locked artefact could not be fetched, or is not the one that was locked."""


@dataclass(frozen=True, kw_only=True)
class LockedJar:
    """One artefact and the sha256 (hexadecimal) its bytes must have."""

    artefact: MavenArtefact
    sha256: str

    def verified_in(self, directory: Path) -> bool:
        """Whether the directory holds this artefact with exactly the locked bytes."""
        try:
            with (directory / self.artefact.file_name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """How far one file of a set is; `total_bytes` is 0 while it is not known."""

    file_name: str
    done_bytes: int
    total_bytes: int
    total_files: int


class Download(Protocol):
    """Fetches one artefact into an empty directory and returns the file."""

    def __call__(
        self, artefact: MavenArtefact, directory: Path, progress: Callable[[int, int], None]
    ) -> Path:
        """Report (done bytes, total bytes) as they arrive; raise MavenError on failure."""


def read_lock(path: Path = LOCK_FILE) -> dict[JarSet, tuple[LockedJar, ...]]:
    """Read the lock: per line a set, group, name, version, classifier or -, extension, sha256.

    Raises:
        JarLockError: A line has another shape or names an unknown set.
    """
    sets: dict[JarSet, list[LockedJar]] = {name: [] for name in get_args(JarSet)}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match line.split():
            case []:
                continue
            case [("kafka" | "flink" | "registry") as name, *coordinates, sha256] if (
                len(coordinates) == 5 and len(sha256) == 64
            ):
                sets[name].append(
                    LockedJar(artefact=MavenArtefact.from_fields(coordinates), sha256=sha256)
                )
            case _:
                message = (
                    f"{path.name}, line {number}: expected '<set> <group> <name> <version> "
                    f"<classifier or -> <extension> <sha256>' with a set of "
                    f"{', '.join(get_args(JarSet))}; got {line!r}"
                )
                raise JarLockError(message)
    return {name: tuple(jars) for name, jars in sets.items()}


def ensure_jars(
    set_name: JarSet,
    cache: Path = DEFAULT_JAR_CACHE,
    progress: Callable[[DownloadProgress], None] | None = None,
    *,
    fetch: Download = download,
    lock_file: Path = LOCK_FILE,
) -> list[Path]:
    """Return the files of a set in lock order, fetching what is missing or damaged.

    Every call hashes every file (a few tenths of a second in all), so a truncated or altered
    file is never used. Without anything to fetch there is no network and nothing is written.

    Raises:
        JarDownloadError: An artefact cannot be fetched or has other bytes than locked.
    """
    directory = cache.expanduser()
    jars = read_lock(lock_file)[set_name]
    if _missing(jars, directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / ".lock").open("w") as lock:
            # Whoever waited here usually finds everything fetched by the one before.
            fcntl.flock(lock, fcntl.LOCK_EX)
            _remove_interrupted_downloads(directory)
            missing = _missing(jars, directory)
            _fetch_all(missing, directory, progress, fetch)
    return [directory / jar.artefact.file_name for jar in jars]


def _missing(jars: Sequence[LockedJar], directory: Path) -> list[LockedJar]:
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        verified = pool.map(lambda jar: jar.verified_in(directory), jars)
        return [jar for jar, is_verified in zip(jars, verified, strict=True) if not is_verified]


def _remove_interrupted_downloads(directory: Path) -> None:
    for leftover in directory.glob(f"{_DOWNLOAD_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _fetch_all(
    jars: Sequence[LockedJar],
    directory: Path,
    progress: Callable[[DownloadProgress], None] | None,
    fetch: Download,
) -> None:
    stopped = threading.Event()

    def fetch_one(jar: LockedJar) -> None:
        def report(done_bytes: int, total_bytes: int) -> None:
            if stopped.is_set():
                raise _DownloadStoppedError
            if progress is not None:
                progress(
                    DownloadProgress(
                        file_name=jar.artefact.file_name,
                        done_bytes=done_bytes,
                        total_bytes=total_bytes,
                        total_files=len(jars),
                    )
                )

        _fetch(jar, directory, lambda artefact, folder: fetch(artefact, folder, report))

    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        fetches = [pool.submit(fetch_one, jar) for jar in jars]
        try:
            for done in fetches:
                done.result()
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: LockedJar, directory: Path, fetch: Callable[[MavenArtefact, Path], Path]) -> None:
    file_name = jar.artefact.file_name
    reason = ""
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix=_DOWNLOAD_PREFIX, dir=directory) as temporary:
            try:
                fetched = fetch(jar.artefact, Path(temporary))
            except MavenError as error:
                reason = str(error)
                continue
            with fetched.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if sha256 == jar.sha256:
                fetched.replace(directory / file_name)
                return
            reason = f"the file has sha256 {sha256}, locked is {jar.sha256}"
    message = (
        f"cannot download {jar.artefact} after {_ATTEMPTS} attempts: {reason}; check the network "
        f"and the Maven repository configured for jgo, then run again, or put the file "
        f"{file_name} into {directory}"
    )
    raise JarDownloadError(message)
