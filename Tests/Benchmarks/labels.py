"""Mean average precision of heads with several labels a clip: Zoetrope against a PyTorch loop on the same features.

    Benchmarks labels FOLDER            # draws the clips
    python labels.py FOLDER --program .build/release/zoetrope

Extracts features of the clips, trains a GRU without model selection with several seeds in both programs, and prints
mean and standard deviation of the test clips' mean average precision, with Zoetrope's interval of the first seed.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess

import numpy
import torch
from sklearn.metrics import average_precision_score
from torch import nn

PIPELINE = """
name: halves
dataset: {layout: csv, root: clips, splits: list.csv, task: multilabel, validation: 0}
extract: {backbone: resnet18, weights: random, image_size: 112, sampling: {policy: uniform, frames: 20}}
sequence: {model: {kind: gru, hidden: 64}, standardize: true, batch_size: 32, epochs: EPOCHS}
"""


def features(path):
    """Features `[clip, frame, feature]`, labels `[clip, label]`, and whether each clip is a test clip."""
    database = sqlite3.connect(path)
    rows = database.execute(
        "SELECT features, label, split FROM sequence JOIN sample USING (video_id) ORDER BY video_id").fetchall()
    x = numpy.stack([numpy.frombuffer(blob, "<f4").reshape(20, -1) for blob, _, _ in rows])
    names = [json.loads(label) for _, label, _ in rows]
    classes = sorted({name for own in names for name in own})
    y = numpy.array([[name in own for name in classes] for own in names], dtype="f")
    return x, y, numpy.array([split == "test" for _, _, split in rows])


class Head(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.rnn, self.fc = nn.GRU(size, 64, batch_first=True), nn.Linear(64, classes)

    def forward(self, x):
        return self.fc(self.rnn(x)[1][-1])


def pytorch(x, y, isTest, epochs, seed):
    torch.manual_seed(seed)
    train = x[~isTest]
    mean, deviation = train.reshape(-1, x.shape[2]).mean(0), train.reshape(-1, x.shape[2]).std(0)
    x = torch.from_numpy((x - mean) / numpy.where(deviation > 0, deviation, 1)).float()
    y = torch.from_numpy(y)
    own, model = torch.from_numpy(numpy.flatnonzero(~isTest)), Head(x.shape[2], y.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        order = own[torch.randperm(len(own))]
        for start in range(0, len(order), 32):
            batch = order[start:start + 32]
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        scores = torch.sigmoid(model(x[torch.from_numpy(isTest)])).numpy()
    return average_precision_score(y[torch.from_numpy(isTest)].numpy(), scores)


def ours(program, folder, name, seed):
    subprocess.run(
        [program, "sequence", "p.yaml", "--name", name, "--set", f"sequence.seed={seed}"], cwd=folder, check=True,
        capture_output=True)
    out = subprocess.run(
        [program, "evaluate", "runs/" + name, "--json"], cwd=folder, check=True, capture_output=True, text=True).stdout
    metrics = json.loads(out)
    return metrics["mean_average_precision"], metrics["mean_average_precision_interval"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--program", default=".build/release/zoetrope")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=10)
    a = parser.parse_args()
    program = os.path.abspath(a.program)
    with open(a.folder + "/p.yaml", "w") as file:
        file.write(PIPELINE.replace("EPOCHS", str(a.epochs)))
    subprocess.run([program, "extract", "p.yaml"], cwd=a.folder, check=True, capture_output=True)
    x, y, isTest = features(a.folder + "/features.sqlite")
    results = [ours(program, a.folder, f"seed{os.getpid()}-{seed}", seed) for seed in range(a.seeds)]
    theirs = [pytorch(x, y, isTest, a.epochs, seed) for seed in range(a.seeds)]
    for name, values in [("Zoetrope", [value for value, _ in results]), ("PyTorch", theirs)]:
        print(f"{name}: {100 * statistics.mean(values):.1f} ± {100 * statistics.stdev(values):.1f} %")
    interval = results[0][1]
    print(f"Zoetrope's interval of the first seed: {100 * interval['lower']:.1f} to {100 * interval['upper']:.1f} %")
