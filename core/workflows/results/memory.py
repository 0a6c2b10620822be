"""What is kept from one edit of a dataset to the next, so that judging again is cheap.

Nothing here goes stale: predictions of a model are written once, columns are brought up to date by
the versions of their dataset, and what a split was grouped by stands in names that no edit changes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain.splits import Subset
from core.evaluation.measures.losses import margins_to_second
from core.store import columns
from core.store import predictions as stored_predictions
from core.store.columns import Columns
from core.store.predictions import StoredMatrix

Value = TypeVar("Value")
Number = TypeVar("Number", bound=np.generic)
_MOST_PREDICTIONS = 6
_MOST_DATASETS = 4


@dataclass(frozen=True)
class StoredPredictions:
    """What a model predicts for a subset, whatever the labels; arrays [N] are read-only."""

    matrix: StoredMatrix

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class."""
        return read_only(self.matrix.probabilities.argmax(axis=1).astype(np.int64))

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """Of the predicted class, in [0, 1]."""
        return read_only(self.matrix.probabilities.max(axis=1))

    @cached_property
    def margin(self) -> NDArray[np.float64]:
        """Of the predicted class to the next one, in [0, 1]."""
        return read_only(margins_to_second(self.matrix.probabilities))


class Recent(OrderedDict[Hashable, Value], Generic[Value]):
    """As many values as allowed, those that were used last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __getitem__(self, key: Hashable) -> Value:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Hashable, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


class Memory:
    """Safe to share between threads; keeps what was used last."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._predictions: Recent[StoredPredictions] = Recent(_MOST_PREDICTIONS)
        self._columns: Recent[Columns] = Recent(_MOST_DATASETS)
        self._groups: Recent[NDArray[np.int64]] = Recent(_MOST_DATASETS)

    def predictions(self, db: Database, model_id: str, subset: Subset) -> StoredPredictions | None:
        """What a model predicts for a subset; None if nothing is stored."""
        with self._lock:
            key = (model_id, subset)
            if key not in self._predictions:
                matrix = stored_predictions.load_matrix(db, model_id, subset)
                if matrix is None:
                    return None
                self._predictions[key] = StoredPredictions(matrix)
            return self._predictions[key]

    def columns(self, db: Database, dataset_id: str) -> Columns:
        """The images of a dataset as they are today."""
        with self._lock:
            before = self._columns.get(dataset_id)
            today = columns.load_columns(db, dataset_id, before)
            self._columns[dataset_id] = today
            return today

    def groups(self, key: Hashable, make: Callable[[], NDArray[np.int64]]) -> NDArray[np.int64]:
        """Groups that no edit changes, made once for a key that holds all they depend on."""
        with self._lock:
            if key not in self._groups:
                self._groups[key] = read_only(make())
            return self._groups[key]


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """The array itself, which nobody can write to any more."""
    array.flags.writeable = False
    return array
