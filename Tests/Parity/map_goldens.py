"""How well umap-learn keeps neighbours together, for `ClipMap` to be measured against.

    python Tests/Parity/map_goldens.py        # writes Tests/ExplorationTests/Fixtures/map.json

Needs numpy, scikit-learn and umap-learn. The points are made here and in the test by the same rule.
"""

import json
import os

import numpy
import umap
from sklearn.manifold import trustworthiness

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../ExplorationTests/Fixtures/map.json")
COUNT, SIZE, CLASSES = 400, 16, 8


def splitmix(state):
    """As `SplitMix64` of Datasets."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def points():
    """Eight clouds, each stretched along a line."""
    numbers = splitmix(9)

    def uniform():
        return (next(numbers) >> 40) * 2.0**-24 * 2 - 1

    centres = [[2 * uniform() for _ in range(SIZE)] for _ in range(CLASSES)]
    lines = [[uniform() for _ in range(SIZE)] for _ in range(CLASSES)]
    rows = []
    for index in range(COUNT):
        own, along = index % CLASSES, 2 * uniform()
        rows.append([centres[own][i] + along * lines[own][i] + 0.3 * uniform() for i in range(SIZE)])
    return numpy.array(rows, "f")


if __name__ == "__main__":
    x = points()
    x -= x.mean(0)
    x /= numpy.linalg.norm(x, axis=1, keepdims=True)
    kept = []
    for seed in range(5):
        y = umap.UMAP(n_neighbors=15, min_dist=0.1, metric="cosine", random_state=seed).fit_transform(x)
        kept.append(float(trustworthiness(x, y, n_neighbors=10, metric="cosine")))
    with open(FILE, "w") as file:
        json.dump({"trustworthiness": kept, "first": [float(v) for v in x[0]]}, file)
    print(kept)
