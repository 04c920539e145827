"""Binary cross-entropy of PyTorch and torchvision, in double precision → TrainingTests/Fixtures/multilabel_loss.json.

    python Tests/Parity/multilabel_loss_goldens.py          # torch, torchvision, numpy
"""

import json
import pathlib

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

FILE = pathlib.Path(__file__).parent.parent / "TrainingTests/Fixtures/multilabel_loss.json"


def case(logits, targets, smoothing=0.0, weights=None, gamma=None):
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(targets, dtype=torch.float64)
    y = y * (1 - smoothing) + smoothing / 2
    w = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    loss = F.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction="none")
    if gamma is not None:
        p = torch.sigmoid(x)
        focal = loss * (1 - (p * y + (1 - p) * (1 - y))) ** gamma
        if weights is None:
            theirs = sigmoid_focal_loss(x, y, alpha=-1, gamma=gamma)
            assert torch.allclose(focal, theirs, rtol=1e-12, atol=1e-12)
            focal = theirs
        loss = focal
    loss = loss.mean()
    loss.backward()
    return {
        "logits": logits, "targets": targets, "smoothing": smoothing, "weights": weights or [], "gamma": gamma,
        "loss": loss.item(), "gradient": x.grad.flatten().tolist(),
        "probabilities": torch.sigmoid(x).detach().flatten().tolist(),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(3)
    cases = []
    for spread, gammas in ((3, (None, 0.0, 0.5, 1.0, 2.0, 5.0)), (30, (None, 1.0, 2.0))):
        for smoothing in (0.0, 0.1):
            for weighted in (False, True):
                for gamma in gammas:
                    logits = (spread * rng.standard_normal((3, 4))).astype(np.float32).tolist()
                    targets = rng.integers(0, 2, (3, 4)).tolist()
                    weights = [0.25, 1.0, 3.5, 20.0] if weighted else None
                    cases.append(case(logits, targets, smoothing, weights, gamma))
    extremes = [[1e4, -1e4, 1e4, -1e4, 100.0, -100.0, 0.0], [800.0, -800.0, 88.5, -88.5, 36.0, -36.0, -0.0]]
    for targets in ([[1, 1, 0, 0, 1, 1, 1], [1, 1, 0, 0, 1, 1, 0]], [[0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0, 1]]):
        for smoothing in (0.0, 0.2):
            for weights in (None, [2.0, 0.5, 1.0, 4.0, 3.0, 0.1, 7.0]):
                for gamma in (None, 1.0, 2.0):
                    cases.append(case(extremes, targets, smoothing, weights, gamma))
    FILE.write_text(json.dumps(cases))
