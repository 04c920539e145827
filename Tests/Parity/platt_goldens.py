"""Platt scaling of scikit-learn and, for the offset alone, SciPy → SequenceModelsTests/Fixtures/platt.json.

    python Tests/Parity/platt_goldens.py          # numpy, scipy, scikit-learn
"""

import json
import pathlib

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.calibration import _sigmoid_calibration

FILE = pathlib.Path(__file__).parent.parent / "SequenceModelsTests/Fixtures/platt.json"


def case(logits, truth):
    """`p = sigmoid(scale x + offset)`; scikit-learn's slope and intercept have the opposite sign."""
    logits = np.asarray(logits, np.float32).astype(float)
    slope, intercept = _sigmoid_calibration(logits, truth)
    positives, negatives = truth.sum(), (1 - truth).sum()
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(offset):
        z = logits + offset
        return (np.logaddexp(0, z) - targets * z).sum()

    bound = abs(logits).max() + 20
    only = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-10})
    return {
        "logits": logits.tolist(), "truth": truth.tolist(), "scale": -float(slope), "offset": -float(intercept),
        "offset_alone": float(only.x),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(5)
    cases = []
    for count in (6, 20, 60):
        for gain, unit, shift in ((0, 1, 0), (1, 1, 0), (3, 1, -2), (1, 0.01, 0), (2, 40, 30), (-2, 1, 1), (12, 5, 0)):
            truth = (rng.random(count) < 0.35).astype(int)
            truth[:2] = [0, 1]
            cases.append(case(unit * (gain * (truth - 0.5) + rng.standard_normal(count)) + shift, truth))
    FILE.write_text(json.dumps(cases))
    print([round(c["scale"], 3) for c in cases])
