"""Golden rows: does a booster still give the scores that it gave when it was trained?

`python -m models.golden DIRECTORY` answers for one model, as a process of its own.
"""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.artifact import TrainedModel, read_artifact
from models.booster import load_booster, predict, score_bits
from models.errors import DamagedModelError

CHECK_SECONDS = 60.0

# A damaged booster can ask for any amount of memory.
_ADDRESS_SPACE_BYTES = 8 * 2**30
_SHOWN_CHARACTERS = 500


def check_golden_rows(directory: Path, *, seconds: float = CHECK_SECONDS) -> None:
    """Load a model and score its golden rows in a child process.

    One changed byte can make XGBoost crash or hang; then only the child does.

    Args:
        directory: of the model.
        seconds: how long the child may take.

    Raises:
        DamagedModelError: other scores, or the child failed, died or took too long.
    """
    command = [sys.executable, "-m", "models.golden", str(directory.resolve())]
    try:
        child = subprocess.run(  # noqa: S603 - our own module
            command,
            capture_output=True,
            check=False,
            cwd=Path(__file__).parents[1],
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"model {directory}: its golden rows were not scored within {seconds} s"
        raise DamagedModelError(msg) from error
    if child.returncode:
        reason = child.stderr.strip()[-_SHOWN_CHARACTERS:] or "it said nothing"
        msg = (
            f"model {directory}: scoring its golden rows ended with exit code "
            f"{child.returncode}: {reason}"
        )
        raise DamagedModelError(msg)


def golden_differences(model: TrainedModel) -> int:
    """Load a model here and count the golden rows whose score has other bits."""
    manifest = model.manifest
    vectors = np.array(manifest.golden_vectors, dtype=np.float64)
    scores = predict(load_booster(model.booster, nthread=1), vectors)
    found = score_bits(scores)
    return sum(
        bits != expected for bits, expected in zip(found, manifest.golden_score_bits, strict=True)
    )


def main(directory: str) -> None:
    """Check one model; the exit code tells the answer."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    try:
        model = read_artifact(Path(directory))
        different = golden_differences(model)
    except DamagedModelError as error:
        sys.exit(str(error))
    if different:
        sys.exit(f"{different} of {len(model.manifest.golden_vectors)} golden rows differ")


if __name__ == "__main__":
    main(sys.argv[1])
