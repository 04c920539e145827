"""PyTorch's results for every head, optimiser, schedule and loss → SequenceModelsTests/Fixtures/heads.json.

    python head_goldens.py              # torch, numpy

The golden values of a head are its logits on a padded, masked batch, and the gradient of every parameter. The convolutional
LSTM, which PyTorch lacks, is implemented with `conv2d`.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from parameters import around

BATCH, STEPS, SIZE, CLASSES = 5, 7, 12, 3
LENGTHS = [4, 7, 1, 7, 3]
TARGETS = [0, 2, 1, 1, 0]
MASK = torch.arange(STEPS)[None] < torch.tensor(LENGTHS)[:, None]
HEIGHT, WIDTH, CHANNELS = 2, 3, 2


def pooled_mean(x):
    return (x * MASK[..., None]).sum(1) / MASK.sum(1)[:, None]


class Base(nn.Module):
    def __init__(self, size, hidden=None):
        super().__init__()
        self.build(size, **({"hidden": hidden} if hidden else {}))
        self.fc = nn.Linear(self.out, CLASSES)

    def forward(self, x):
        return self.fc(self.pool(x))


class Average(Base):
    def build(self, size):
        self.out = size

    pool = staticmethod(pooled_mean)


class Max(Average):
    def pool(self, x):
        return x.masked_fill(~MASK[..., None], -torch.inf).max(1).values


class Probe(Average):
    """CLIP's zero-shot head: the mean direction of all frames."""

    def pool(self, x):
        return F.normalize(pooled_mean(F.normalize(x, dim=-1)), dim=-1)


class Recurrent(Base):
    def build(self, size, hidden, kind=nn.GRU, both=True):
        self.rnn, self.out = kind(size, hidden, batch_first=True, bidirectional=both), hidden * 2

    def pool(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
        state = self.rnn(packed)[1]
        return torch.cat([state[-2], state[-1]], 1)


class Attention(Base):
    def build(self, size, hidden):
        self.attention, self.out = nn.Sequential(nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, 1)), size

    def pool(self, x):
        scores = self.attention(x)[..., 0].masked_fill(~MASK, -torch.inf)
        return (torch.softmax(scores, 1)[..., None] * x).sum(1)


class Transformer(Base):
    def build(self, size, hidden):
        self.projection = nn.Linear(size, hidden)
        self.positions = nn.Parameter(torch.zeros(STEPS, hidden))
        layer = nn.TransformerEncoderLayer(hidden, 2, 10, dropout=0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), hidden

    def pool(self, x):
        return pooled_mean(self.encoder(self.projection(x) + self.positions, src_key_padding_mask=~MASK))


class ConvLSTM(Base):
    def build(self, size, hidden):
        self.convlstm, self.out = nn.Conv2d(CHANNELS + hidden, 4 * hidden, 3, padding=1), hidden

    def pool(self, x):
        maps = x.reshape(BATCH, STEPS, HEIGHT, WIDTH, CHANNELS).permute(0, 1, 4, 2, 3)
        h = c = torch.zeros(BATCH, self.out, HEIGHT, WIDTH)
        for step in range(STEPS):
            i, f, g, o = self.convlstm(torch.cat([maps[:, step], h], 1)).chunk(4, 1)
            new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            valid = MASK[:, step, None, None, None]
            h, c = torch.where(valid, torch.sigmoid(o) * torch.tanh(new), h), torch.where(valid, new, c)
        return h.mean((2, 3))


HEADS = {
    "average": (Average, None), "max": (Max, None), "bigru": (Recurrent, 4), "attention": (Attention, 5),
    "transformer": (Transformer, 8), "convlstm": (ConvLSTM, 3), "linear_probe": (Probe, None),
}


def spread(name, value):
    """Centre and spread of the initialisers in GraphBuilder."""
    if ".norm" in name:
        return (1, 0) if name.endswith("weight") else (0, 0)
    if name.endswith("in_proj_bias"):
        return 0, 0
    if name == "positions":
        return 0, 0.02
    return None


def head_golden(kind):
    make, hidden = HEADS[kind]
    model = make(SIZE, hidden)
    named = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in named.items():
            centre, width = spread(name, value) or (0, None)
            if width is None:
                weight = named.get(name.rsplit(".", 1)[0] + ".weight", value)
                fan = hidden if name.startswith("rnn.") else int(np.prod(weight.shape[1:]))
                width = 1 / np.sqrt(fan)
            value.copy_(torch.from_numpy(around(name, tuple(value.shape), centre, width)))
    x = torch.from_numpy(around("input", (BATCH, STEPS, SIZE), 0, 1.5)).requires_grad_()
    logits = model(x)
    F.cross_entropy(logits, torch.tensor(TARGETS)).backward()
    return {
        "kind": kind, "hidden": [hidden] * (2 if kind == "transformer" else 1) if hidden else [], "logits": logits.flatten().tolist(),
        "gradients": {name: value.grad.flatten().tolist() for name, value in named.items()},
        "input_gradient": x.grad.flatten().tolist(),
    }


def optimizer_golden(kind, **options):
    """Fifty steps on a small function whose gradient depends on the parameters."""
    p = nn.Parameter(torch.from_numpy(around("p", (8,), 0, 1)))
    target = torch.from_numpy(around("target", (8,), 0, 1))
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}[kind]
    optimizer = make([p], **options)
    for _ in range(50):
        optimizer.zero_grad()
        ((p - target) ** 4).sum().backward()
        optimizer.step()
    return {"kind": kind, **options, "parameters": p.tolist()}


def schedule_golden(kind, warm_up=0, **options):
    """The learning rate of each of fifty epochs, with a loss that decreases, plateaus and decreases."""
    from torch.optim import lr_scheduler as s

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    losses = [1 / (1 + e) if e < 10 else 0.1 + 0.001 * (e % 3) if e < 30 else 0.05 for e in range(50)]
    rates = []
    if kind == "plateau":
        schedule = s.ReduceLROnPlateau(optimizer, factor=options["factor"], patience=options["patience"], min_lr=options["minimum"])
    else:
        main = {
            "constant": lambda: s.ConstantLR(optimizer, 1), "step": lambda: s.StepLR(optimizer, options["every"], options["factor"]),
            "cosine": lambda: s.CosineAnnealingLR(optimizer, 50 - warm_up, options["minimum"]),
        }[kind]()
        schedule = main
        if warm_up:
            first = s.LinearLR(optimizer, 1 / (warm_up + 1), 1, warm_up)
            schedule = s.SequentialLR(optimizer, [first, main], [warm_up])
    for loss in losses:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(loss) if kind == "plateau" else schedule.step()
    return {"kind": kind, "warm_up": warm_up, **options, "losses": losses, "rates": rates}


def loss_golden(smoothing, weights):
    logits = torch.from_numpy(around("logits", (BATCH, CLASSES), 0, 3)).requires_grad_()
    loss = F.cross_entropy(logits, torch.tensor(TARGETS), torch.tensor(weights) if weights else None, label_smoothing=smoothing)
    loss.backward()
    return {"smoothing": smoothing, "weights": weights, "loss": loss.item(), "gradient": logits.grad.flatten().tolist()}


def clip_golden(limit):
    p = nn.Parameter(torch.zeros(24))
    p.grad = torch.from_numpy(around("gradient", (24,), 0, 1))
    norm = nn.utils.clip_grad_norm_([p], limit).item()
    return {"limit": limit, "norm": norm, "gradient": p.grad.tolist()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {
        "torch": torch.__version__, "lengths": LENGTHS, "targets": TARGETS, "steps": STEPS, "size": SIZE, "classes": CLASSES,
        "map": [HEIGHT, WIDTH, CHANNELS], "heads": [head_golden(kind) for kind in HEADS],
        "optimizers": [
            optimizer_golden("adam", lr=0.05), optimizer_golden("adam", lr=0.05, weight_decay=0.1, eps=0.01),
            optimizer_golden("adamw", lr=0.05, weight_decay=0.1), optimizer_golden("sgd", lr=0.02, momentum=0.9, weight_decay=0.1),
            optimizer_golden("sgd", lr=0.02, momentum=0.9, nesterov=True), optimizer_golden("rmsprop", lr=0.01),
            optimizer_golden("rmsprop", lr=0.01, momentum=0.5, weight_decay=0.1, alpha=0.9, eps=1e-3),
        ],
        "schedules": [
            schedule_golden("constant", warm_up=4), schedule_golden("step", every=7, factor=0.3), schedule_golden("cosine", minimum=0.001),
            schedule_golden("cosine", warm_up=5, minimum=0), schedule_golden("step", warm_up=3, every=10, factor=0.5),
            schedule_golden("plateau", factor=0.3, patience=2, minimum=1e-3),
        ],
        "losses": [loss_golden(0, None), loss_golden(0.1, None), loss_golden(0, [0.5, 2.0, 1.0]), loss_golden(0.2, [0.5, 2.0, 1.0])],
        "clips": [clip_golden(1.0), clip_golden(100.0)],
    }
    target = pathlib.Path(__file__).parents[1] / "SequenceModelsTests" / "Fixtures" / "heads.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content))
