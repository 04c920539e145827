"""Writes Tests/ONNXTests/Fixtures: small models from PyTorch's exporters, and onnxruntime's output for an image.

    python onnx_fixtures.py
"""

import base64
import json
import os
import warnings

import numpy
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ONNXTests", "Fixtures")
SIZE = 32


class Convolutions(nn.Module):
    """All kinds of convolution windows, normalisation before activation, squeeze-and-excitation, channel shuffle."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.before = nn.BatchNorm2d(8)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=4)
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.excite = nn.Conv2d(4, 8, 1)
        self.scale = nn.Parameter(torch.rand(8, 1, 1) + 0.5)
        self.last = nn.Conv2d(16, 12, 1)
        self.fc = nn.Linear(12, 10)

    def forward(self, x):
        x = F.silu(self.norm(self.stem(F.pad(x, (0, 1, 0, 1)))))
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        y = self.dilated(F.relu(self.before(x)))
        x = x + F.leaky_relu(y, 0.1)
        x = x + F.hardswish(self.grouped(x)) * self.scale
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        x = x * gate
        a, b = x.chunk(2, 1)
        x = torch.cat([a, F.relu6(b * 3)], 1)
        n, c, h, w = x.shape
        x = x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x + (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
        x = torch.cat([F.gelu(x), F.gelu(x, approximate="tanh")], 1)
        x = F.hardsigmoid(self.last(x)) * 2 - 0.5
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, size, heads, is_joined):
        super().__init__()
        self.heads, self.is_joined = heads, is_joined
        if is_joined:
            self.qkv = nn.Linear(size, 3 * size)
        else:
            self.q, self.k, self.v = nn.Linear(size, size), nn.Linear(size, size, bias=False), nn.Linear(size, size)
        self.out = nn.Linear(size, size)

    def forward(self, x):
        b, n, c = x.shape
        width = c // self.heads
        if self.is_joined:
            q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, width).permute(2, 0, 3, 1, 4).unbind(0)
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            q, k, v = (part(x).view(b, n, self.heads, width).transpose(1, 2) for part in (self.q, self.k, self.v))
            y = (q @ k.transpose(-2, -1) / width**0.5).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, n, c))


class Tokens(nn.Module):
    """A small vision transformer: learned prefix tokens, position embeddings, layer scale;
    the class token and the mean of patch tokens."""

    def __init__(self):
        super().__init__()
        size = 16
        self.patches = nn.Conv2d(3, size, 8, 8)
        self.front = nn.Parameter(torch.randn(1, 2, size))
        self.positions = nn.Parameter(torch.randn(1, 18, size))
        self.norms = nn.ModuleList([nn.LayerNorm(size, eps=1e-6) for _ in range(5)])
        self.attentions = nn.ModuleList([Attention(size, 4, True), Attention(size, 2, False)])
        self.mlps = nn.ModuleList([nn.Sequential(nn.Linear(size, 32), nn.GELU(), nn.Linear(32, size)) for _ in range(2)])
        self.scale = nn.Parameter(torch.rand(size))
        for norm in self.norms:
            nn.init.uniform_(norm.weight, 0.7, 1.3)
            nn.init.uniform_(norm.bias, -0.3, 0.3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.front.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for index in range(2):
            x = x + self.scale * self.attentions[index](self.norms[2 * index](x))
            x = x + self.mlps[index](self.norms[2 * index + 1](x))
        x = self.norms[4](x)
        return torch.cat([x[:, 0], x[:, 2:].mean(1)], 1)


class Pixels(nn.Module):
    """Channels-last operations, like ConvNeXt's, and a classifier on the flattened map, like VGG's."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.up, self.down = nn.Linear(8, 24), nn.Linear(24, 8)
        self.gamma = nn.Parameter(torch.rand(8))
        self.pool = nn.Conv2d(8, 4, 2, 2)
        self.fc = nn.Linear(4 * 16, 6)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        x = x + (self.down(F.gelu(self.up(y))) * self.gamma).permute(0, 3, 1, 2)
        return self.fc(torch.flatten(F.relu(self.pool(x)), 1))


class Functions(nn.Module):
    """Rarer element-wise functions, quotients, and position embeddings for another grid."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.positions = nn.Parameter(torch.randn(1, 8, 7, 7))
        self.mix = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.patches(x)
        positions = F.interpolate(self.positions, size=(4, 4), mode="bicubic", align_corners=False)
        x = (x.flatten(2).transpose(1, 2) + positions.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        y = F.mish(self.mix(F.elu(x)))
        return (F.softplus(x) / (1 + torch.abs(y))).mean((2, 3))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    onnxruntime.set_default_logger_severity(3)
    pixels = numpy.random.default_rng(7).integers(0, 256, (SIZE, SIZE, 3)).astype("u1")
    mean, deviation = numpy.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], "f")
    x = ((pixels.astype("f") / 255 - mean) / deviation).transpose(2, 0, 1)[None]
    goldens = {"size": SIZE, "pixels": base64.b64encode(pixels.tobytes()).decode(), "networks": []}
    # Opset 14 has no LayerNormalization operator.
    kinds = [("script", False, 14), ("dynamo", True, 18)]
    for network in (Convolutions, Tokens, Pixels, Functions):
        for kind, dynamo, version in kinds:
            torch.manual_seed(3)
            model = network()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.uniform_(module.running_mean, -0.5, 0.5)
                    nn.init.uniform_(module.running_var, 0.5, 1.5)
                    nn.init.uniform_(module.weight, 0.5, 1.5)
            name = f"{network.__name__.lower()}-{kind}"
            path = f"{FOLDER}/{name}.onnx"
            options = (
                {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False, "verbose": False} if dynamo
                else {"dynamic_axes": {"input": {0: "batch"}}, "do_constant_folding": network is not Functions})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    model.eval(), (torch.zeros(2, 3, SIZE, SIZE),), path, input_names=["input"], output_names=["output"],
                    dynamo=dynamo, opset_version=version, **options)
            stored = onnx.load(path)
            for node in stored.graph.node:
                # Removes local paths of the machine that wrote the model.
                node.ClearField("doc_string")
                del node.metadata_props[:]
            for value in list(stored.graph.value_info) + list(stored.graph.initializer) + list(stored.graph.input) + list(stored.graph.output):
                del value.metadata_props[:]
            del stored.graph.value_info[:], stored.metadata_props[:], stored.graph.metadata_props[:]
            del stored.functions[:]
            onnx.save(stored, path)
            features = onnxruntime.InferenceSession(path).run(None, {"input": numpy.ascontiguousarray(x)})[0]
            goldens["networks"].append({"file": name, "features": [float(v) for v in features.ravel()]})
    onnx.save(
        onnx.load(f"{FOLDER}/convolutions-script.onnx"), f"{FOLDER}/external.onnx", save_as_external_data=True,
        location="external.bin", size_threshold=64)
    goldens["networks"].append(dict(goldens["networks"][0], file="external"))
    with open(f"{FOLDER}/goldens.json", "w") as file:
        json.dump(goldens, file)
        file.write("\n")


if __name__ == "__main__":
    main()
