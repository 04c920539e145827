"""Features and logits of video encoders → BackbonesTests/Fixtures/clips.json.

    python clip_goldens.py       # torch, torchvision, numpy

torchvision has four of them. I3D is implemented here as its authors describe it, with the parameter names of the PyTorch
port for which Kinetics weights are published.
"""

import json
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from parameters import fill, pixels, record, spread_of

KINETICS = (np.array([0.43216, 0.394666, 0.37645], "f"), np.array([0.22803, 0.22145, 0.216989], "f"))
SYMMETRIC = (np.array([0.5] * 3, "f"), np.array([0.5] * 3, "f"))


def same(x, kernel, stride):
    """TensorFlow's SAME padding: the output has size / stride, with more padding after; zeros for pooling too."""
    pads = []
    for size, k, s in zip(x.shape[2:], kernel, stride):
        total = max(k - (s if size % s == 0 else size % s), 0)
        pads = [total // 2, total - total // 2] + pads
    return F.pad(x, pads)


class Unit(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(inputs, outputs, self.kernel, self.stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x):
        return torch.relu(self.bn(self.conv3d(same(x, self.kernel, self.stride))))


class Pool(nn.Module):
    def __init__(self, kernel, stride):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        return F.max_pool3d(same(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    def __init__(self, inputs, single, reduced, wide, reduced_small, small, pooled):
        super().__init__()
        self.b0 = Unit(inputs, single, 1)
        self.b1a, self.b1b = Unit(inputs, reduced, 1), Unit(reduced, wide, 3)
        self.b2a, self.b2b = Unit(inputs, reduced_small, 1), Unit(reduced_small, small, 3)
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(inputs, pooled, 1)

    def forward(self, x):
        return torch.cat(
            [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv3d = nn.Conv3d(1024, 400, 1)


class I3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1, self.Conv3d_2c_3x3 = Unit(64, 64, 1), Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        self.Mixed_3b = Mixed(192, 64, 96, 128, 16, 32, 32)
        self.Mixed_3c = Mixed(256, 128, 128, 192, 32, 96, 64)
        self.MaxPool3d_4a_3x3 = Pool((3, 3, 3), (2, 2, 2))
        self.Mixed_4b = Mixed(480, 192, 96, 208, 16, 48, 64)
        self.Mixed_4c = Mixed(512, 160, 112, 224, 24, 64, 64)
        self.Mixed_4d = Mixed(512, 128, 128, 256, 24, 64, 64)
        self.Mixed_4e = Mixed(512, 112, 144, 288, 32, 64, 64)
        self.Mixed_4f = Mixed(528, 256, 160, 320, 32, 128, 128)
        self.MaxPool3d_5a_2x2 = Pool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b = Mixed(832, 256, 160, 320, 32, 128, 128)
        self.Mixed_5c = Mixed(832, 384, 192, 384, 48, 128, 128)
        self.logits = Scores()

    def features(self, x):
        for name, module in self.named_children():
            x = x if name == "logits" else module(x)
        return x

    def scores(self, x):
        return self.logits.conv3d(F.avg_pool3d(x, (2, 7, 7), 1)).mean((2, 3, 4))


def make(name):
    model = I3D() if name == "i3d_rgb" else getattr(torchvision.models.video, name)(weights=None)
    return model.eval()


def filled(name):
    model = make(name)
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    values = fill({k: tuple(v.shape) for k, v in state.items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    return model


def clip(index, frames, size, convention):
    mean, deviation = convention
    few = [((pixels(index + 2 * i, size, size) >> index).astype("f") / 255 - mean) / deviation for i in range(3)]
    pictures = [few[i % 3] for i in range(frames)]
    return np.stack(pictures).transpose(3, 0, 1, 2)


def outputs(name, model, x, tap):
    if name.endswith("_18"):
        for step in (model.stem, model.layer1, model.layer2, model.layer3, model.layer4):
            x = step(x)
        if tap == "spatial":
            return x.mean(2).permute(0, 2, 3, 1)
        x = x.mean((2, 3, 4))
        return model.fc(x) if tap == "logits" else x
    x = model.features(x)
    if tap == "spatial":
        return x.mean(2).permute(0, 2, 3, 1)
    if tap == "pooled":
        return F.avg_pool3d(x, (2, 7, 7), 1).mean((2, 3, 4))
    if name == "i3d_rgb":
        return model.scores(x)
    return model.classifier(model.avgpool(x)).mean((2, 3, 4))


def features(name, frames, size, tap):
    convention = SYMMETRIC if name == "i3d_rgb" else KINETICS
    x = torch.from_numpy(np.stack([clip(i, frames, size, convention) for i in range(2)]))
    with torch.no_grad():
        x = outputs(name, filled(name), x, tap).reshape(2, -1).numpy()
    print(f"{name} {frames} frames {size} {tap}: {spread_of(x)}", flush=True)
    return x


if __name__ == "__main__":
    torch.set_num_threads(2)
    cases = [(name, *sizes) for name in ("r3d_18", "mc3_18", "r2plus1d_18")
             for sizes in ((16, 112, "pooled"), (9, 65, "logits"), (4, 64, "spatial"))]
    cases += [(name, *sizes) for name in ("s3d", "i3d_rgb")
              for sizes in ((16, 224, "pooled"), (19, 250, "logits"))]
    goldens = []
    for name, frames, size, tap in cases:
        golden = record(name, "torchvision", size, tap, features(name, frames, size, tap))
        goldens.append(golden | {"frames": frames})
    target = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures" / "clips.json"
    target.write_text(json.dumps({"version": torchvision.__version__, "goldens": goldens}, separators=(",", ":")))
