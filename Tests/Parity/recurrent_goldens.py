"""Outputs and gradients of torch.nn.GRU and LSTM on packed sequences → TrainingTests/Fixtures/recurrent.json.

    python recurrent_goldens.py         # torch, numpy

Each golden is a head: recurrent layers, the final state of the last one, a linear layer, cross-entropy.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn

from parameters import around

BATCH, STEPS, SIZE, CLASSES = 5, 7, 6, 3
LENGTHS = [4, 7, 1, 7, 3]
TARGETS = [0, 2, 1, 1, 0]


def golden(cell, hidden, layers, bidirectional):
    rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](SIZE, hidden, layers, batch_first=True, bidirectional=bidirectional)
    fc = nn.Linear(hidden * (2 if bidirectional else 1), CLASSES)
    named = {f"rnn.{k}": v for k, v in rnn.named_parameters()} | {f"fc.{k}": v for k, v in fc.named_parameters()}
    with torch.no_grad():
        for name, value in named.items():
            fan = fc.in_features if name.startswith("fc.") else hidden
            value.copy_(torch.from_numpy(around(name, tuple(value.shape), 0, 1 / np.sqrt(fan))))
    x = torch.from_numpy(around("input", (BATCH, STEPS, SIZE), 0, 1.5))
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    _, state = rnn(packed)
    h = state[0] if cell == "lstm" else state
    last = torch.cat([h[-2], h[-1]], 1) if bidirectional else h[-1]
    logits = fc(last)
    loss = nn.functional.cross_entropy(logits, torch.tensor(TARGETS))
    loss.backward()
    return {
        "cell": cell, "hidden": hidden, "layers": layers, "bidirectional": bidirectional,
        "logits": logits.flatten().tolist(), "loss": loss.item(),
        "gradients": {name: value.grad.flatten().tolist() for name, value in named.items()},
    }


def optimizer_golden(kind, **options):
    """Twenty steps on a small quadratic with a gradient that depends on the parameters."""
    p = nn.Parameter(torch.from_numpy(around("p", (8,), 0, 1)))
    target = torch.from_numpy(around("target", (8,), 0, 1))
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind]([p], **options)
    for _ in range(20):
        optimizer.zero_grad()
        ((p - target) ** 4).sum().backward()
        optimizer.step()
    return {"kind": kind, **options, "parameters": p.tolist()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {
        "torch": torch.__version__, "lengths": LENGTHS, "targets": TARGETS, "steps": STEPS, "size": SIZE, "classes": CLASSES,
        "goldens": [
            golden("gru", 5, 2, False), golden("lstm", 5, 2, False), golden("lstm", 4, 2, True), golden("gru", 4, 1, True),
        ],
        "optimizers": [
            optimizer_golden("adam", lr=0.05), optimizer_golden("adam", lr=0.05, weight_decay=0.1, eps=0.01),
            optimizer_golden("sgd", lr=0.02), optimizer_golden("sgd", lr=0.02, momentum=0.9, weight_decay=0.1),
        ],
    }
    target = pathlib.Path(__file__).parents[1] / "TrainingTests" / "Fixtures" / "recurrent.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content))
