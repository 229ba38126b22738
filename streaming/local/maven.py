"""Single artefacts from the configured Maven repositories, fetched by jgo in pure Python."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from features.errors import SamestreamError
from streaming.local.wheels import import_wheel

_TIMEOUT_SECONDS = 60


class MavenError(SamestreamError, OSError):
    """An artefact could not be fetched."""


@dataclass(frozen=True, kw_only=True)
class MavenArtefact:
    """The coordinates of one file in a Maven repository."""

    group: str
    name: str
    version: str
    classifier: str
    extension: str

    @classmethod
    def from_fields(cls, fields: Sequence[str]) -> Self:
        """Build it from group, name, version, classifier ('-' for none) and extension."""
        group, name, version, classifier, extension = fields
        return cls(
            group=group,
            name=name,
            version=version,
            classifier="" if classifier == "-" else classifier,
            extension=extension,
        )

    @property
    def file_name(self) -> str:
        """The file's name in a repository."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{suffix}.{self.extension}"

    def __str__(self) -> str:
        return f"{self.group}:{self.file_name}"


def download(
    artefact: MavenArtefact, directory: Path, progress: Callable[[int, int], None]
) -> Path:
    """Fetch one artefact, without its POM or dependencies, into an empty directory.

    The repositories are jgo's: its default plus those of its configuration file. jgo only warns
    about damaged files, so the caller verifies.

    Raises:
        MavenError: It is in none of the repositories, or the connection failed.
    """
    maven = import_wheel("jgo.maven")
    settings = import_wheel("jgo.config").GlobalSettings.load()

    @contextmanager
    def callback(_name: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
        done_bytes = 0

        def update(count: int) -> None:
            nonlocal done_bytes
            done_bytes += count
            progress(done_bytes, total_bytes)

        yield update

    context = maven.MavenContext(
        resolver=maven.PythonResolver(progress_callback=callback),
        repo_cache=directory,
        timeout=_TIMEOUT_SECONDS,
    )
    context.remote_repos.update(settings.repositories)
    component = context.project(artefact.group, artefact.name).at_version(artefact.version)
    try:
        fetched = component.artifact(artefact.classifier, artefact.extension).resolve()
    except (OSError, RuntimeError) as error:
        # requests' errors are OSErrors; jgo's "found nowhere" is a RuntimeError.
        message = " ".join(str(error).split())
        raise MavenError(message) from error
    return Path(fetched)
