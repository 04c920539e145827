"""Seconds per training step: Zoetrope against PyTorch, alternating.

    make bench-training                 # makes the Python environment, builds, runs this

The small CNN and ResNet-18 with a two-layer LSTM (4 clips of 20 frames at 128²) and VGG16's last four layers with a linear layer
(100 frames at 128²), once with the frozen layers in every step and once with their output kept. PyTorch runs
channels last, which is faster here. Each round runs each program in a separate process. Results are medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def pytorch(name, steps):
    import os

    import torch
    import torchvision
    from torch import nn

    torch.set_num_threads(os.cpu_count())
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    if name == "vgg16":
        features = torchvision.models.vgg16(weights=None).features.to(memory_format=torch.channels_last)
        frozen, trained, count, classes = features[:24], features[24:], 100, 51
        for p in frozen.parameters():
            p.requires_grad_(False)
        head, rnn = nn.Linear(4 * 4 * 512, classes), None
    elif name == "resnet18":
        network = torchvision.models.resnet18(weights=None)
        frozen, count, classes = None, 80, 10
        trained = nn.Sequential(*list(network.children())[:-2]).to(memory_format=torch.channels_last)
        rnn, head = nn.LSTM(512, 128, 2, batch_first=True), nn.Linear(128, classes)
    else:
        layers, channels = [], 3
        for i, out in enumerate([64, 128, 256, 512]):
            k = 7 if i == 0 else 3
            layers += [nn.Conv2d(channels, out, k, 2, k // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2, 1)] if i == 0 else []
            channels = out
        frozen, count, classes = None, 80, 10
        trained = nn.Sequential(*layers, nn.Dropout(0.5)).to(memory_format=torch.channels_last)
        rnn, head = nn.LSTM(512, 128, 2, batch_first=True), nn.Linear(128, classes)
    parameters = [*trained.parameters(), *head.parameters(), *(rnn.parameters() if rnn else [])]
    optimizer = torch.optim.Adam(parameters, 1e-4)
    pixels = torch.randint(0, 256, (count, 128, 128, 3), dtype=torch.uint8)
    y = torch.arange(count if rnn is None else 4) % classes

    def boundary():
        x = (pixels.float() / 255 - 0.5) / 0.25
        x = x.permute(0, 3, 1, 2)  # channels last in memory
        with torch.no_grad():
            return frozen(x) if frozen else x

    def step(x):
        optimizer.zero_grad()
        f = trained(x)
        logits = head(f.flatten(1)) if rnn is None else head(rnn(f.mean((2, 3)).reshape(4, 20, 512))[1][0][-1])
        nn.functional.cross_entropy(logits, y).backward()
        optimizer.step()

    def measure(kept):
        seconds, rows = [], boundary() if kept else None
        for i in range(steps + 1):
            begin = time.perf_counter()
            step(rows if kept else boundary())
            seconds.append(time.perf_counter() - begin)
        return seconds[1:]

    whole = measure(False)
    return {"seconds": whole, "top": measure(True) if frozen else [],
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--binary", default=".build/release/Benchmarks")
    parser.add_argument("--networks", nargs="+", default=["small_cnn", "resnet18", "vgg16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    a = parser.parse_args()
    if a.peer:
        print(json.dumps(pytorch(a.networks[0], a.steps)))
        sys.exit()
    for network in a.networks:
        ours, theirs = [], []
        for _ in range(a.rounds):
            ours.append(run([a.binary, "train", network, str(a.steps)]))
            theirs.append(run([sys.executable, __file__, "--peer", "--networks", network, "--steps", str(a.steps)]))
        for part in ("seconds", "top"):
            if not ours[0][part]:
                continue
            pairs = [(statistics.median(o[part]), statistics.median(t[part])) for o, t in zip(ours, theirs)]
            ratio = statistics.median(t / o for o, t in pairs)
            print(f"{network} {'complete step' if part == 'seconds' else 'frozen output cached'}: "
                  f"{statistics.median(o for o, _ in pairs):.3f} s, PyTorch {statistics.median(t for _, t in pairs):.3f} s, "
                  f"{ratio:.2f} times as fast; peak {max(o['peak_kib'] for o in ours) >> 10} MiB, "
                  f"PyTorch {max(t['peak_kib'] for t in theirs) >> 10} MiB", flush=True)
