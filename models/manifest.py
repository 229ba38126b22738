"""The manifest of a model: what its booster needs to be used, and to be trusted."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from models.errors import DamagedModelError
from models.metrics import Metrics

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a model except its booster.

    Attributes:
        service: name of the feature service.
        service_fingerprint: of the definitions that the model was trained on.
        views: fingerprint of each view by name.
        features: names of the features, in the order of the vector.
        feature_types: `c` (category) or `q` (quantity) of each feature.
        vocabularies: the words of each category; a word's code is its position.
        trained_from_ms: time of the first request of the training range, milliseconds.
        trained_until_ms: end of the training range, exclusive; the test range begins here.
        parameters: of the training, `rounds` and the XGBoost version included.
        metrics: reached on the test range.
        threshold: the decision is true from this score on.
        golden_vectors: some vectors of the test range; None is null.
        golden_score_bits: the scores of these vectors, float32 as unsigned integers.
        booster_sha256: of the booster's bytes, hexadecimal.
    """

    service: str
    service_fingerprint: str
    views: dict[str, str]
    features: tuple[str, ...]
    feature_types: tuple[str, ...]
    vocabularies: dict[str, tuple[str, ...]]
    trained_from_ms: int
    trained_until_ms: int
    parameters: dict[str, Any]
    metrics: Metrics
    threshold: float
    golden_vectors: tuple[tuple[float | None, ...], ...]
    golden_score_bits: tuple[int, ...]
    booster_sha256: str


def manifest_json(manifest: Manifest) -> str:
    """Text of the manifest, with a checksum of its own content."""
    content = asdict(manifest)
    document = {"format": _FORMAT, "sha256": _checksum(content), "manifest": content}
    return json.dumps(document, indent=1, allow_nan=False)


def parse_manifest(text: str) -> Manifest:
    """Read a manifest back; any change of the content is refused."""
    try:
        document = json.loads(text)
        found, content = document["format"], document["manifest"]
        if found != _FORMAT:
            msg = f"manifest: got format {found!r}; this version reads format {_FORMAT}"
            raise DamagedModelError(msg)
        if document["sha256"] != _checksum(content):
            msg = "manifest: the content does not have the checksum that was written with it"
            raise DamagedModelError(msg)
        return Manifest(
            **{
                **content,
                "features": tuple(content["features"]),
                "feature_types": tuple(content["feature_types"]),
                "vocabularies": {
                    name: tuple(words) for name, words in content["vocabularies"].items()
                },
                "metrics": Metrics(**content["metrics"]),
                "golden_vectors": tuple(tuple(row) for row in content["golden_vectors"]),
                "golden_score_bits": tuple(content["golden_score_bits"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DamagedModelError):
            raise
        msg = f"manifest: it does not parse ({type(error).__name__}: {error})"
        raise DamagedModelError(msg) from error


def _checksum(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
