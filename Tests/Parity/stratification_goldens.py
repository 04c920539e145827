"""Goldens of iterative stratification by scikit-multilearn: the quality of its folds.

    python Tests/Parity/stratification_goldens.py       # writes Tests/DatasetsTests/Fixtures/stratification.json

Needs numpy, scipy, scikit-multilearn 0.2.0 and scikit-learn 1.1.

`ld` and `ed` are the label distribution and the examples distribution of Sechidis, Tsoumakas and Vlahavas (2011), as
means over 20 divisions of shuffled examples.
"""

import json
import os

import numpy
from skmultilearn.model_selection import IterativeStratification

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../DatasetsTests/Fixtures/stratification.json")
DIVISIONS = 20


def labels(rng, count, classes, density):
    """Rare and frequent labels, some of which occur together, and examples without labels."""
    rates = density * rng.power(0.7, classes) + 0.02
    y = rng.random((count, classes)) < rates
    for follower in range(1, classes, 3):
        y[:, follower] |= y[:, follower - 1] & (rng.random(count) < 0.5)
    for label in range(classes):
        for example in rng.choice(count, 12, replace=False):
            if y[:, label].sum() < 12:
                y[example, label] = True
    y[rng.random(count) < 0.1] = False
    return y.astype(int)


def label_distribution(y, folds, count):
    odds = y.sum(0) / (len(y) - y.sum(0))
    total = 0.0
    for fold in range(count):
        held = y[folds == fold]
        total += abs(held.sum(0) / (len(held) - held.sum(0)) - odds).sum()
    return total / (count * y.shape[1])


def examples_distribution(y, folds, count):
    return float(numpy.mean([abs((folds == fold).sum() - len(y) / count) for fold in range(count)]))


def case(rng, count, classes, density, k):
    y = labels(rng, count, classes, density)
    y = y[:, y.sum(0) >= k]
    ld, ed = [], []
    for _ in range(DIVISIONS):
        # The result depends on the order of the examples and on ties.
        own = y[rng.permutation(count)]
        numpy.random.seed(int(rng.integers(1 << 31)))
        folds = numpy.full(count, -1)
        for fold, (_, held) in enumerate(IterativeStratification(n_splits=k, order=1).split(own, own)):
            folds[held] = fold
        assert (folds >= 0).all()
        ld.append(label_distribution(own, folds, k))
        ed.append(examples_distribution(own, folds, k))
    return {
        "folds": k, "labels": [numpy.flatnonzero(row).tolist() for row in y],
        "ld": round(float(numpy.mean(ld)), 6), "ed": round(float(numpy.mean(ed)), 6),
    }


def main():
    rng = numpy.random.default_rng(5)
    sizes = [(60, 4), (90, 6), (120, 8), (150, 10), (180, 12)]
    cases = [
        case(rng, count, classes, density, k)
        for count, classes in sizes for density, k in [(0.2, 3), (0.5, 2), (0.2, 5), (0.4, 5)]
    ]
    os.makedirs(os.path.dirname(FILE), exist_ok=True)
    with open(FILE, "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")
    print(len(cases), numpy.mean([c["ld"] for c in cases]), numpy.mean([c["ed"] for c in cases]))


main()
