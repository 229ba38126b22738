"""Features of the offline store for requests, each as of its own time."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from feature_repo.asof import row_time_column
from features.fields import String
from features.fingerprint import view_fingerprint
from features.service import FeatureService
from features.source import EVENT_TIME_MS
from features.view import FeatureView
from models.answers import Fetched, behind_ms, each_as_of
from models.columns import columns_of_frame
from models.dataset import EVENT_TIMESTAMP, OfflineFeatures, point_in_time_join
from models.prediction import Integers, Mark, ViewReceipt

_POSITION = "request__position"


class OfflineReader:
    """Fetches features by Feast's point-in-time join, with the receipts of a prediction."""

    def __init__(
        self,
        store: OfflineFeatures,
        service: FeatureService,
        *,
        inputs: Collection[str],
        complete_until_ms: Mapping[str, int | None],
    ) -> None:
        """Take where to ask.

        Args:
            store: a `feast.FeatureStore` with our offline store, made by
                `feature_repo.asof.with_row_times`.
            service: whose requests will come.
            inputs: names of the columns that the scorer reads.
            complete_until_ms: newest window end, by name of the view, up to which the rows of the
                offline store are complete; None for never.
        """
        self._store = store
        self._service = service
        self._complete_until_ms = complete_until_ms
        self._references = [
            f"{view.name}:{name}" for view in service.views for name in _read(view, inputs)
        ]
        # With a type of their own: a column of nothing but nulls would have none.
        self._keys = {
            key.name: "string" if isinstance(key.type, String) else "Int64"
            for view in service.views
            for key in view.join_keys
        }

    def fetch(self, requests: pd.DataFrame) -> Fetched:
        """Fetch the features of requests.

        Args:
            requests: as `models.request_file` reads them.
        """
        times = requests[EVENT_TIME_MS].to_numpy(dtype=np.int64)
        columns = columns_of_frame(self._service, requests)
        receipts: list[ViewReceipt] = []
        late = np.zeros((len(self._service.views), len(times)), dtype=np.int64)
        if self._service.views:
            rows = requests[[*self._keys, EVENT_TIMESTAMP]].astype(self._keys)
            rows[_POSITION] = range(len(requests))
            joined = point_in_time_join(self._store, self._service, rows, self._references)
            joined = joined.sort_values(_POSITION, ignore_index=True)
            columns |= columns_of_frame(self._service, joined.drop(columns=list(self._keys)))
            for view, behind in zip(self._service.views, late, strict=True):
                as_of = each_as_of(view, times)
                behind[:] = behind_ms(as_of, self._complete_until_ms[view.name])
                receipts.append(_receipt(view, joined, as_of, behind))
        return Fetched(
            columns=columns,
            receipts=tuple(receipts),
            late_ms=late,
            waited=(late > 0).any(axis=0),
        )


def _read(view: FeatureView, inputs: Collection[str]) -> list[str]:
    """Names of the features to ask of a view: one at least, for the receipt."""
    names = [feature.name for feature in view.features]
    return [name for name in names if name in inputs] or names[:1]


def _receipt(
    view: FeatureView, joined: pd.DataFrame, as_of_ms: Integers, late_ms: Integers
) -> ViewReceipt:
    known = joined[row_time_column(view.name)]
    found = known.notna().to_numpy()
    marks = np.full(len(found), None, dtype=object)
    marks[~found] = Mark.UNKNOWN
    marks[late_ms > 0] = Mark.STALE
    known_ms = known.to_numpy(dtype="datetime64[ms]").astype(np.int64)
    return ViewReceipt(
        view=view.name,
        fingerprint=view_fingerprint(view),
        as_of_ms=as_of_ms,
        window_end_ms=known_ms - view.source.lateness_ms,
        found=found,
        marks=marks,
    )
