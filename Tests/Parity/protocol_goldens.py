"""Goldens of cross-validation and metrics by scikit-learn.

    python Tests/Parity/protocol_goldens.py       # writes Tests/SequenceModelsTests/Fixtures/protocols.json

Needs numpy and scikit-learn.
"""

import json
import os

import numpy
from sklearn import metrics
from sklearn.model_selection import StratifiedGroupKFold

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../SequenceModelsTests/Fixtures/protocols.json")


def scores(rng, count, classes):
    """Probabilities in steps of 0.01, so that there are ties, and scikit-learn's metrics for them."""
    labels = [f"class {i}" for i in range(classes)]
    truth = rng.integers(0, classes, count)
    logits = rng.standard_normal((count, classes)) + 1.2 * numpy.eye(classes)[truth]
    p = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
    p = numpy.round(p, 2)
    predicted = p.argmax(1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
    result = {
        "labels": labels, "truth": truth.tolist(), "probabilities": p.tolist(),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
        "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(),
        "average_precision": [metrics.average_precision_score(truth == i, p[:, i]) for i in range(classes)],
    }
    if classes == 2:
        result["roc"], result["roc_of_first"] = roc(truth == 1, p[:, 1]), roc(truth == 0, p[:, 0])
    return result


def roc(truth, p):
    false, true, thresholds = metrics.roc_curve(truth, p, drop_intermediate=False)
    best = int((true - false).argmax())

    def decisions(threshold):
        found = metrics.precision_recall_fscore_support(truth, p >= threshold, average="binary", zero_division=0)[:3]
        return [*map(float, found), metrics.recall_score(truth, p >= threshold, pos_label=False)]

    return {
        "area": metrics.roc_auc_score(truth, p), "threshold": float(thresholds[best]), "true": float(true[best]),
        "false": float(false[best]), "at_half": decisions(0.5), "at_threshold": decisions(thresholds[best]),
    }


def folds(rng, classes, groups, largest, count):
    """Groups of several clips, some with several classes, and the imbalance of scikit-learn's folds."""
    labels, sources = [], []
    for group in range(groups):
        main = int(rng.integers(0, classes))
        for _ in range(int(rng.integers(1, largest + 1))):
            labels.append(int(rng.integers(0, classes)) if rng.random() < 0.2 else main)
            sources.append(group)
    labels, sources = numpy.array(labels), numpy.array(sources)
    worst = []
    for seed in range(20):
        cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels, labels, sources)
        shares = numpy.array([numpy.bincount(labels[held], minlength=classes) for _, held in cut], float)
        shares /= numpy.bincount(labels, minlength=classes)
        worst.append(float(abs(shares - 1 / count).max()))
    return {"labels": labels.tolist(), "groups": sources.tolist(), "folds": count, "deviation": float(numpy.mean(worst))}


if __name__ == "__main__":
    rng = numpy.random.default_rng(7)
    found = {
        "scores": [scores(rng, 60, 2), scores(rng, 80, 5)],
        "folds": [folds(rng, 2, 40, 6, 5), folds(rng, 5, 80, 4, 5), folds(rng, 8, 60, 1, 3)],
    }
    with open(FILE, "w") as file:
        json.dump(found, file)
