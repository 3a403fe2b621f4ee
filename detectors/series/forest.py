"""Isolation forest on a value and the recent course: how few random cuts set a point apart from what was learned.

Features: the value, and mean and standard deviation of the last 5, 10, 30 and 60 points, each in units of its own
spread while learning; the scale stays frozen, so that a score never depends on what else is judged. The score is the
forest's own (0.5 ordinary, towards 1 odd) minus its median while learning, in units of 1.2 times the way from there to
its 0.999 quantile. Blind to: anomalies that it was trained on, slow creep, the time of the day.

Source: Liu, Ting & Zhou 2008. Shares: Shapley 1953, of trees against one reference row, Lundberg et al. 2020.
"""

import math
from typing import Any, NamedTuple

import numpy as np

WINDOWS = (5, 10, 30, 60)
FEATURES = ("value", *(f"{what} of {points}" for points in WINDOWS for what in ("mean", "deviation")))
TREES, SAMPLES, LEARNED_POINTS = 100, 256, 10_000
MARGIN = 1.2
#: in units of the spread; no cut is further out, and a float32 can still hold it
FARTHEST = 1e30
_FACTORIAL = np.array([math.factorial(n) for n in range(len(FEATURES) + 1)], np.float64)


def features(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """float64 (n, 9): the features of each value, from it and those before it.

    values: finite float64 (n,). before: what came before the first of them, oldest first; fewer than 60 are enough,
    windows are shorter then.
    """
    whole = np.concatenate([before[-max(WINDOWS) :], values])
    at = np.arange(len(whole) - len(values), len(whole))
    # differences of running sums lose digits far from zero: shift first
    whole = whole - (whole[0] if len(whole) else 0.0)
    sums, squares = (np.concatenate([[0.0], np.cumsum(power)]) for power in (whole, whole * whole))
    columns = [values]
    for points in WINDOWS:
        begin = np.maximum(at + 1 - points, 0)
        count = at + 1 - begin
        mean = (sums[at + 1] - sums[begin]) / count
        columns += [
            mean - whole[at] + values,
            np.sqrt(np.maximum((squares[at + 1] - squares[begin]) / count - mean**2, 0.0)),
        ]
    return np.stack(columns, axis=1)


class _Reached(NamedTuple):
    """Nodes, and which features must be the row's own, or those of the median, to get there: bool (m, 9)."""

    tree: np.ndarray
    node: np.ndarray
    own: np.ndarray
    other: np.ndarray

    def only(self, where: np.ndarray) -> "_Reached":
        return _Reached(*(part[where] for part in self))


def _worth(own: np.ndarray, other: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Shapley values of leaves that are worth their length when `own` are in and `other` are out: float64 (9,).

    Of n features that matter and a subset of them, each order of coming in is equally likely: one that must be in
    completes it in (o - 1)! (n - o)! of n! orders, one that must be out spoils it in o! (n - o - 1)!.
    """
    ins, outs = own.sum(axis=1), other.sum(axis=1)
    completes = lengths * _FACTORIAL[np.maximum(ins - 1, 0)] * _FACTORIAL[outs] / _FACTORIAL[ins + outs]
    spoils = lengths * _FACTORIAL[ins] * _FACTORIAL[np.maximum(outs - 1, 0)] / _FACTORIAL[ins + outs]
    return own.T @ completes - other.T @ spoils


class Forest:
    """A forest grown on one series, as plain arrays: scikit-learn grows it, and is not needed to judge."""

    names: tuple[str, ...] = ("isolation_forest",)
    features: tuple[str, ...] = FEATURES

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._last = np.empty(0)
        #: (trees, nodes): feature cut, -1 in leaves; cut; children; and the path length that ends at each node
        self._tree: dict[str, np.ndarray] = {}
        self._scale = self._calibration = np.empty(0)

    def learn(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Grow the forest on a history of finite values, float64 (n,), n >= 1; of a long one on an even selection."""
        from sklearn.ensemble import IsolationForest

        rows = features(values, np.empty(0))
        # the first windows are short and stand apart for that alone
        rows = rows[max(WINDOWS) :] if len(rows) > 2 * max(WINDOWS) else rows
        centre, spread = np.median(rows, axis=0), rows.std(axis=0)
        self._scale = np.stack([centre, np.where(spread > 0, spread, 1.0)])
        chosen = self._scaled(rows[:: max(len(rows) // LEARNED_POINTS, 1)])
        forest = IsolationForest(
            n_estimators=TREES, max_samples=min(SAMPLES, len(chosen)), random_state=self._seed
        ).fit(chosen)
        self._tree = _arrays(forest)
        odd = self.oddness(chosen)
        middle, high = np.quantile(odd, [0.5, 0.999]).tolist()
        self._calibration = np.array([middle, max(MARGIN * (high - middle), 1e-3)])
        self._last = values[-max(WINDOWS) :]

    def refresh(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """The same as `learn`: in between it stays as it was."""
        self.learn(times, hours, values)

    def judge(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge finite values in their order: float64 (n, 10) and the learned median of values (n,).

        The columns are the component and the features' shares of it, which are 0 below the alert line.
        """
        rows = self.rows(values)
        self._last = np.concatenate([self._last, values])[-max(WINDOWS) :]
        middle, unit = self._calibration.tolist()
        found = np.zeros((len(values), 1 + len(FEATURES)))
        found[:, 0] = np.maximum((self.oddness(rows) - middle) / unit, 0.0)
        for point in np.flatnonzero(found[:, 0] >= 1).tolist():
            found[point, 1:] = self.shares(rows[point])
        return found, np.full(len(values), self._scale[0, 0])

    def rows(self, values: np.ndarray) -> np.ndarray:
        """The scaled features of values that would follow what was judged last: float64 (n, 9)."""
        return self._scaled(features(values, self._last))

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        # as the trees were grown: scikit-learn compares in float32
        return np.clip((rows - self._scale[0]) / self._scale[1], -FARTHEST, FARTHEST).astype(np.float32)

    def oddness(self, rows: np.ndarray) -> np.ndarray:
        """2 to the power of minus the mean path length, in units of the usual one: float64 (n,), 0 to 1."""
        tree, trees = self._tree, np.arange(len(self._tree["feature"]))
        node = np.zeros((len(rows), len(trees)), np.int64)
        for _ in range(int(self._tree["depth"][0])):
            node = self._down(node, rows, trees)
        return np.exp2(-tree["length"][trees, node].mean(axis=1) / tree["usual"][0])

    def _down(self, node: np.ndarray, rows: np.ndarray, trees: np.ndarray) -> np.ndarray:
        """The children that rows go to; leaves stay."""
        feature = self._tree["feature"][trees, node]
        goes_left = rows[np.arange(len(rows))[:, None], feature] <= self._tree["cut"][trees, node]
        child = np.where(goes_left, self._tree["left"][trees, node], self._tree["right"][trees, node])
        return np.where(feature >= 0, child, node)

    def shares(self, row: np.ndarray) -> np.ndarray:
        """How much each feature shortened one row's path: float64 (9,), of the whole by which it is shorter.

        row: scaled features (9,). The exact Shapley values of the mean path length against that of the learned
        median, divided by their sum, so that they sum to 1; below 0 is what speaks for the row. All 0 where the path
        is not shorter. A leaf counts for a feature that must be the row's own to get there, and against one that must
        be the median's, so that one walk through the nodes that either can reach replaces the sum over all subsets.
        """
        gains = np.zeros(len(FEATURES))
        trees = np.arange(len(self._tree["feature"]))
        reached = _Reached(trees, np.zeros_like(trees), *np.zeros((2, len(trees), len(FEATURES)), bool))
        while len(reached.tree):
            is_leaf = self._tree["feature"][reached.tree, reached.node] < 0
            ends = reached.only(is_leaf)
            gains -= _worth(ends.own, ends.other, self._tree["length"][ends.tree, ends.node])
            reached = self._next(reached.only(~is_leaf), row)
        whole = gains.sum()
        return gains / whole if whole > 1e-9 else np.zeros(len(FEATURES))

    def _next(self, at: "_Reached", row: np.ndarray) -> "_Reached":
        """The children that the row, the median, or a mixture of the two goes to."""
        tree = self._tree
        feature, cut = tree["feature"][at.tree, at.node], tree["cut"][at.tree, at.node]
        row_left, median_left = row[feature] <= cut, cut >= 0
        one = np.arange(len(FEATURES)) == feature[:, None]
        sides = []
        for name, row_goes, median_goes in (("left", row_left, median_left), ("right", ~row_left, ~median_left)):
            own = at.own | (one & (row_goes & ~median_goes)[:, None])
            other = at.other | (one & (median_goes & ~row_goes)[:, None])
            # a feature cannot be the row's and the median's at once
            is_possible = (row_goes | median_goes) & ~(own & other).any(axis=1)
            sides.append(_Reached(at.tree, tree[name][at.tree, at.node], own, other).only(is_possible))
        return _Reached(*(np.concatenate(parts) for parts in zip(*sides, strict=True)))

    def dump(self) -> dict[str, np.ndarray]:
        """Plain arrays that `load` takes."""
        own = {"last": self._last, "scale": self._scale, "calibration": self._calibration}
        return own | {f"tree_{name}": values for name, values in self._tree.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `dump` gave."""
        self._last, self._scale, self._calibration = (state[name] for name in ("last", "scale", "calibration"))
        self._tree = {name.removeprefix("tree_"): state[name] for name in state if name.startswith("tree_")}


def usual_length(samples: np.ndarray) -> np.ndarray:
    """Mean path length of a search without success in a random binary tree of so many samples: float64, any shape."""
    count = np.maximum(samples.astype(np.float64), 2.0)
    length = 2.0 * (np.log(count - 1.0) + np.euler_gamma) - 2.0 * (count - 1.0) / count
    return np.where(samples > 2, length, np.where(samples == 2, 1.0, 0.0))


def _arrays(forest: Any) -> dict[str, np.ndarray]:
    """The trees of a grown scikit-learn forest as arrays of one width, with path lengths by node."""
    grown = [one.tree_ for one in forest.estimators_]
    width = max(tree.node_count for tree in grown)
    out = {name: np.zeros((len(grown), width)) for name in ("cut", "length")}
    out |= {name: np.full((len(grown), width), -1) for name in ("feature", "left", "right")}
    for number, tree in enumerate(grown):
        count = tree.node_count
        out["left"][number, :count], out["right"][number, :count] = tree.children_left, tree.children_right
        out["feature"][number, :count] = np.where(tree.children_left >= 0, tree.feature, -1)
        out["cut"][number, :count] = tree.threshold
        out["length"][number, :count] = _lengths(tree)
    out["depth"] = np.array([max(tree.max_depth for tree in grown)])
    out["usual"] = np.maximum(usual_length(np.array([forest.max_samples_])), 1e-9)
    return out


def _lengths(tree: Any) -> np.ndarray:
    """The path length that ends at each node."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # children have higher numbers than their parents
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return depth + usual_length(tree.n_node_samples)
