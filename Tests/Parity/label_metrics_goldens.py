"""Metrics of multilabel classification by scikit-learn, YouTube-8M's and Charades' evaluation
→ SequenceModelsTests/Fixtures/label_metrics.json and label_protocols.json.

    python Tests/Parity/label_metrics_goldens.py [FOLDER]         # numpy, scikit-learn

FOLDER, for the second file, has `eval_util.py` and `average_precision_calculator.py` of github.com/google/youtube-8m,
and `map.py` of github.com/gsig/charades-algorithms (pytorch/utils) as `charades_map.py`. Both evaluations order equal
scores at random, so these draws have none.
"""

import json
import pathlib
import sys
import types
import warnings

import numpy as np
from sklearn import metrics

FIXTURES = pathlib.Path(__file__).parent.parent / "SequenceModelsTests/Fixtures"
warnings.filterwarnings("ignore")


def rates(truth, predicted):
    """Precision, recall and F1 of each label and averaged; macro over labels that occur or are predicted."""
    columns = [
        metrics.precision_recall_fscore_support(truth[:, i], predicted[:, i], average="binary", zero_division=0)[:3]
        for i in range(truth.shape[1])
    ]
    used = [i for i in range(truth.shape[1]) if truth[:, i].any() or predicted[:, i].any()]

    def average(kind, where):
        if len(where) == 1:  # scikit-learn takes one column for two classes.
            return columns[where[0]]
        return metrics.precision_recall_fscore_support(
            truth[:, where], predicted[:, where], average=kind, zero_division=0)[:3]

    every = list(range(truth.shape[1]))
    return {
        "classes": [list(map(float, c)) for c in columns],
        "macro": list(map(float, average("macro", used))) if used else None,
        "micro": list(map(float, average("micro", every))),
        "weighted": list(map(float, average("weighted", every))) if truth.any() else None,
        "subset_accuracy": metrics.accuracy_score(truth, predicted),
        "hamming_loss": metrics.hamming_loss(truth, predicted),
    }


def curve(truth, scores):
    """scikit-learn's curve without its last point, as the threshold falls, and the best F1 on it."""
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    points = np.stack([thresholds, precision[:-1], recall[:-1]], 1)[::-1]
    return points.tolist(), float(f1.max())


def draw(rng, index):
    count = int(rng.integers(2, 13) if index % 10 else rng.integers(13, 41))
    classes = int(rng.integers(1, 9))
    truth = (rng.random((count, classes)) < rng.choice([0.1, 0.3, 0.6, 0.95])).astype(int)
    if index % 3 == 0:
        truth[:, rng.integers(0, classes)] = 0
    if index % 4 == 0:
        truth[rng.integers(0, count)] = 0
    if index % 5 == 0:
        truth[rng.integers(0, count)] = 1
    if index == 7:
        truth[:] = 0
    noise = rng.standard_normal((count, classes)) + truth - 0.5
    scores = np.round(1 / (1 + np.exp(-2 * noise)), 1 if index % 2 else 2)
    scores = np.maximum(scores, 0.05)  # a score of 0 is below every threshold above 0
    thresholds = np.round(rng.random(classes) * 0.8 + 0.1, 1)
    found = [i for i in range(classes) if truth[:, i].any()]
    aps = [metrics.average_precision_score(truth[:, i], scores[:, i]) if i in found else None for i in range(classes)]

    def average(kind):
        if not found:
            return None
        if len(found) == 1 and kind != "micro":
            return aps[found[0]]
        if kind == "micro":
            return metrics.average_precision_score(truth.ravel(), scores.ravel())
        return metrics.average_precision_score(truth[:, found], scores[:, found], average=kind)

    # scikit-learn takes one column for two classes; a column that ranks last changes neither metric.
    padded = [np.pad(values, ((0, 0), (0, 1)), constant_values=last) for values, last in ((truth, 0), (scores, -1))]
    curves = [curve(truth[:, i], scores[:, i]) if i in found else None for i in range(classes)]
    return {
        "truth": ["".join(map(str, row)) for row in truth], "scores": scores.tolist(),
        "thresholds": thresholds.tolist(), "average_precision": aps, "macro": average("macro"),
        "micro": average("micro"), "weighted": average("weighted"),
        "at_thresholds": rates(truth, (scores >= thresholds).astype(int)),
        "at_half": rates(truth, (scores >= 0.5).astype(int)),
        "coverage_error": float(metrics.coverage_error(*padded)),
        "ranking": float(metrics.label_ranking_average_precision_score(*padded)),
        "best_f1": [c and c[1] for c in curves],
        "curve": next((c[0] for c in curves if c), None) if index % 5 == 0 else None,
    }


def protocols(rng, folder):
    """YouTube-8M's GAP@20 and Charades' mAP, with and without more than 20 classes."""
    sys.path.insert(0, folder)
    for name in ("tensorflow", "tensorflow.python", "tensorflow.python.platform"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["tensorflow.python.platform"].gfile = None
    np.NINF = -np.inf  # removed in NumPy 2
    from charades_map import charades_map
    from eval_util import calculate_gap

    result = []
    for index in range(24):
        count, classes = int(rng.integers(3, 15)), int(rng.integers(22, 40) if index % 3 == 0 else rng.integers(2, 7))
        truth = (rng.random((count, classes)) < (0.1 if classes > 20 else 0.4)).astype(int)
        truth[rng.integers(0, count)] = 0
        noise = rng.random((count, classes)) + 0.4 * truth
        scores = np.round((noise.ravel().argsort().argsort() + 1).reshape(noise.shape) / (noise.size + 1), 6)
        assert len(np.unique(scores)) == scores.size
        result.append({
            "truth": ["".join(map(str, row)) for row in truth], "scores": scores.tolist(),
            "gap": float(calculate_gap(scores, truth)),
            "charades": float(np.nanmean(charades_map(scores, truth)[2])),
        })
    return result


def compact(value):
    """As JSON without spaces and superfluous digits."""
    values = json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 13))
    return json.dumps(values, separators=(",", ":"))


if __name__ == "__main__":
    rng = np.random.default_rng(11)
    (FIXTURES / "label_metrics.json").write_text(compact([draw(rng, index) for index in range(200)]))
    if len(sys.argv) > 1:
        (FIXTURES / "label_protocols.json").write_text(compact(protocols(rng, sys.argv[1])))
