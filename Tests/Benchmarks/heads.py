"""Seconds per epoch of two published heads: Zoetrope against PyTorch (packed sequences) and Keras (masked), alternating.

    make bench-heads                    # makes the Python environments, builds, runs this

The names with `-labels` train several labels a clip with binary cross-entropy.

The GRU head of InceptionV3+GRU on UCF101-top5 (594 clips, batch 64), and the bidirectional LSTM of ResNet-152 on
UCF101 (1,024 clips, 101 classes, batch 32); at most 20 frames, 2,048 features, lengths 5 to 20. The peers' projection
ends in a ReLU, whose time is negligible. Each round runs each program in a separate process. Results are medians over
the second and later epochs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HEADS = {"gru": (594, 5, 64), "bilstm": (1024, 101, 32), "gru-labels": (594, 5, 64), "bilstm-labels": (1024, 101, 32)}


def data(count, classes):
    import numpy

    rng = numpy.random.default_rng(0)
    x = numpy.abs(rng.standard_normal((count, 20, 2048), dtype="f"))
    lengths = rng.integers(5, 21, count)
    mask = numpy.arange(20)[None] < lengths[:, None]
    x[~mask] = 0
    return x, lengths, mask, rng.integers(0, classes, count)


def several(count, classes):
    """Any number of labels a clip."""
    import numpy

    return numpy.random.default_rng(1).integers(0, 2, (count, classes)).astype("f")


def pytorch(head, epochs, flushes=False):
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count())
    torch.set_flush_denormal(flushes)
    count, classes, batch = HEADS[head]
    x, lengths, _, y = data(count, classes)
    loss = nn.functional.cross_entropy
    if head.endswith("-labels"):
        y, loss, head = several(count, classes), nn.functional.binary_cross_entropy_with_logits, head.split("-")[0]
    x, lengths, y = torch.from_numpy(x), torch.from_numpy(lengths), torch.from_numpy(y)

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            if head == "gru":
                self.first, self.second = nn.GRU(2048, 16, batch_first=True), nn.GRU(16, 8, batch_first=True)
                self.out = nn.Sequential(nn.Dropout(0.4), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, classes))
            else:
                self.projection = nn.Linear(2048, 512)
                self.rnn = nn.LSTM(512, 256, 2, batch_first=True, bidirectional=True)
                self.out = nn.Linear(512, classes)

        def forward(self, x, lengths):
            x = x if head == "gru" else torch.relu(self.projection(x))
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            if head == "gru":
                return self.out(self.second(self.first(x)[0])[1][-1])
            _, (state, _) = self.rnn(x)
            return self.out(torch.cat([state[-2], state[-1]], 1))

    model = Head()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    seconds = []
    for _ in range(epochs):
        begin, order = time.perf_counter(), torch.randperm(count)
        for start in range(0, count, batch):
            b = order[start:start + batch]
            optimizer.zero_grad()
            loss(model(x[b], lengths[b]), y[b]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)
    return seconds


def keras_(head, epochs):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    from keras import layers

    count, classes, batch = HEADS[head]
    x, _, mask, y = data(count, classes)
    activation, loss = "softmax", "sparse_categorical_crossentropy"
    if head.endswith("-labels"):
        y, activation, loss, head = several(count, classes), "sigmoid", "binary_crossentropy", head.split("-")[0]
    features, valid = layers.Input((20, 2048)), layers.Input((20,), dtype="bool")
    if head == "gru":
        h = layers.GRU(8)(layers.GRU(16, return_sequences=True)(features, mask=valid), mask=valid)
        h = layers.Dense(8, activation="relu")(layers.Dropout(0.4)(h))
    else:
        h = layers.Dense(512, activation="relu")(features)
        h = layers.Bidirectional(layers.LSTM(256, return_sequences=True))(h, mask=valid)
        h = layers.Bidirectional(layers.LSTM(256))(h, mask=valid)
    model = keras.Model([features, valid], layers.Dense(classes, activation=activation)(h))
    model.compile("adam", loss)

    class Clock(keras.callbacks.Callback):
        seconds = []

        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self.begin)

    model.fit([x, mask], y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[Clock()])
    return Clock.seconds


def run(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return statistics.median(json.loads(out.strip().splitlines()[-1])["seconds"][1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=["pytorch", "pytorch-flushing", "keras"])
    parser.add_argument("--binary", default=".build/release/Benchmarks")
    parser.add_argument("--keras", help="the Python of an environment with TensorFlow")
    parser.add_argument("--heads", nargs="+", default=list(HEADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    a = parser.parse_args()
    if a.peer:
        run_peer = keras_ if a.peer == "keras" else lambda *x: pytorch(*x, flushes=a.peer == "pytorch-flushing")
        print(json.dumps({"seconds": run_peer(a.heads[0], a.epochs)}))
        sys.exit()
    peers = {
        "PyTorch": [sys.executable, __file__, "--peer", "pytorch"],
        # Tiny gradients become denormal numbers, which slow PyTorch down unless it flushes them to zero.
        "PyTorch, denormals flushed": [sys.executable, __file__, "--peer", "pytorch-flushing"],
    }
    if a.keras:
        peers["Keras"] = [a.keras, __file__, "--peer", "keras"]
    for head in a.heads:
        ours, theirs, ratios = [], {p: [] for p in peers}, {p: [] for p in peers}
        for _ in range(a.rounds):
            ours.append(run([a.binary, "head", head, str(a.epochs)]))
            for peer, command in peers.items():
                theirs[peer].append(run(command + ["--heads", head, "--epochs", str(a.epochs)]))
                ratios[peer].append(theirs[peer][-1] / ours[-1])
        print(f"{head}: Zoetrope {statistics.median(ours):.3f} s per epoch ({min(ours):.3f}–{max(ours):.3f})")
        for peer in peers:
            r = ratios[peer]
            print(f"  {peer} {statistics.median(theirs[peer]):.3f} s; ratio {statistics.median(r):.2f} (median), {min(r):.2f}–{max(r):.2f}", flush=True)
