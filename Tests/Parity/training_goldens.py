"""Gradients, running statistics and training steps of PyTorch → TrainingTests/Fixtures/training.json and
BackbonesTests/Fixtures/steps.json.

    python training_goldens.py          # torch, torchvision, numpy
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import encoders
from timm.layers import AttentionPoolLatent, resample_abs_pos_embed
from timm.layers.grn import GlobalResponseNorm
from timm.models.vision_transformer import Block as TransformerBlock
from parameters import around, fill
from torchvision_goldens import SmallCNN

BATCH, HEIGHT, WIDTH, CLASSES = 4, 24, 20, 3
TARGETS = torch.tensor([0, 2, 1, 1])


def conv(a, b, k, stride=1, groups=1, bias=False):
    return nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=bias)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(8, 12, 3, 2), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = conv(12, 12, 3), nn.BatchNorm2d(12)
        self.downsample = nn.Sequential(conv(8, 12, 1, 2), nn.BatchNorm2d(12))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block())
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layer1(x).mean((2, 3)))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 8, 3, 2, bias=True)
        self.a, self.abn = conv(8, 4, 1), nn.BatchNorm2d(4, eps=1e-3)
        self.b, self.bbn = conv(8, 6, 1), nn.BatchNorm2d(6, eps=1e-3)
        self.fc = nn.Linear(18, CLASSES)

    def forward(self, x):
        x = F.relu(self.stem(x))
        a = F.relu(self.abn(self.a(x)))
        b = F.relu(self.bbn(self.b(F.avg_pool2d(x, 3, 1, 1))))
        return self.fc(torch.cat([a, b, F.max_pool2d(x, 3, 1, 1)], 1).mean((2, 3)))


class MBConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stembn = conv(3, 8, 3, 2), nn.BatchNorm2d(8)
        self.expand, self.expandbn = conv(8, 32, 1), nn.BatchNorm2d(32)
        self.depth, self.depthbn = conv(32, 32, 5, 2, groups=32), nn.BatchNorm2d(32)
        self.fc1, self.fc2 = conv(32, 4, 1, bias=True), conv(4, 32, 1, bias=True)
        self.project, self.projectbn = conv(32, 8, 1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.silu(self.stembn(self.stem(x)))
        x = F.silu(self.depthbn(self.depth(F.silu(self.expandbn(self.expand(x))))))
        s = torch.sigmoid(self.fc2(F.silu(self.fc1(x.mean((2, 3), keepdim=True)))))
        return self.fc(self.projectbn(self.project(x * s)).mean((2, 3)))


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 8, 3, bias=True), conv(8, 6, 3, bias=True)
        self.fc = nn.Linear(12 * 10 * 6, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.b(F.relu(self.a(x)))), 2)
        return self.fc(x.permute(0, 2, 3, 1).flatten(1))


class ConvNeXtBlock(nn.Module):
    def __init__(self, width, version):
        super().__init__()
        self.conv_dw, self.norm = nn.Conv2d(width, width, 7, 1, 3, groups=width), nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if version == 2:
            self.mlp.grn = GlobalResponseNorm(4 * width)
        else:
            self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = self.mlp.fc1(self.norm(self.conv_dw(x).permute(0, 2, 3, 1)))
        y = F.gelu(y)
        y = self.mlp.grn(y) if hasattr(self.mlp, "grn") else y
        y = self.mlp.fc2(y)
        y = self.gamma * y if hasattr(self, "gamma") else y
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, version):
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 6, 4, 4), ConvNeXtBlock(6, version)
        self.norm, self.fc = nn.LayerNorm(6, eps=1e-6), nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.fc(self.norm(self.block(self.stem(x)).mean((2, 3))))


class Transformer(nn.Module):
    """One timm block over 6×5 patches whose position embeddings were learned on 4×4."""

    def __init__(self, registers, activation, pooling, width=12):
        super().__init__()

        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, 4, 4)
        self.has_class = pooling == "class"
        if self.has_class:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        if registers:
            self.reg_token = nn.Parameter(torch.zeros(1, registers, width))
        self.covers = self.has_class and not registers
        self.pos_embed = nn.Parameter(torch.zeros(1, 16 + self.covers, width))
        norm = lambda size, **_: nn.LayerNorm(size, eps=1e-6)
        self.blocks = nn.ModuleList([TransformerBlock(width, 3, qkv_bias=True, init_values=1 if registers else None, act_layer=activation, norm_layer=norm)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        if pooling == "latent":
            self.attn_pool = AttentionPoolLatent(width, num_heads=3, mlp_ratio=2, norm_layer=norm, act_layer=activation)
        self.pooling, self.fc = pooling, nn.Linear(width, CLASSES)

    def forward(self, x):

        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        front = [self.cls_token.expand(len(x), -1, -1)] if self.has_class else []
        front += [self.reg_token.expand(len(x), -1, -1)] if hasattr(self, "reg_token") else []
        positions = resample_abs_pos_embed(self.pos_embed, [6, 5], [4, 4], num_prefix_tokens=int(self.covers))
        x = torch.cat(front + [x], 1) + positions if self.covers else torch.cat(front + [x + positions], 1)
        first = sum(part.shape[1] for part in front)
        x = self.norm(self.blocks[0](x))
        if self.pooling == "latent":
            return self.fc(self.attn_pool(x))
        return self.fc(x[:, 0] if self.pooling == "class" else x[:, first:].mean(1))


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.expand = conv(3, 8, 3, 2, bias=True), conv(8, 16, 1, bias=True)
        self.depth = conv(16, 16, 3, 1, groups=16, bias=True)
        self.se = nn.Module()
        self.se.conv_reduce, self.se.conv_expand = conv(16, 8, 1, bias=True), conv(8, 16, 1, bias=True)
        self.project, self.fc = conv(16, 8, 1, bias=True), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.relu6(self.stem(x))
        x = F.hardswish(self.depth(F.hardswish(self.expand(x))))
        s = F.hardsigmoid(self.se.conv_expand(F.relu(self.se.conv_reduce(x.mean((2, 3), keepdim=True)))))
        return self.fc(self.project(x * s).mean((2, 3)))


class Clip(nn.Module):
    """Four frames of 12 × 10."""

    def __init__(self):
        super().__init__()
        self.stem, self.stembn = nn.Conv3d(3, 8, 3, (1, 2, 2), 1, bias=False), nn.BatchNorm3d(8)
        self.space, self.spacebn = nn.Conv3d(8, 6, (1, 3, 3), padding=(0, 1, 1), bias=False), nn.BatchNorm3d(6)
        self.time, self.timebn = nn.Conv3d(6, 8, (3, 1, 1), padding=(1, 0, 0), bias=False), nn.BatchNorm3d(8)
        self.down = nn.Conv3d(8, 4, 1, 2, bias=True)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.relu(self.stembn(self.stem(x)))
        x = F.relu(x + self.timebn(self.time(F.relu(self.spacebn(self.space(x))))))
        return self.fc(torch.cat([F.max_pool3d(x, 3, 2, 1), self.down(x)], 1).mean((2, 3, 4)))


def prepare(model):
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name, value in state.items():
        module, leaf = name.rsplit(".", 1)
        weight = state.get(module + ".weight", value)
        fan = int(np.prod(weight.shape[1:]))
        centre, spread = {
            "running_mean": (0, 0.1), "running_var": (1, 0.3),
            "weight": (1, 0.2) if value.dim() == 1 else (0, np.sqrt((6 if value.dim() in (4, 5) else 1) / fan)),
            "bias": (0, 1 / np.sqrt(fan) if weight.dim() > 1 else 0.1),
        }[leaf]
        value.copy_(torch.from_numpy(around(name, tuple(value.shape), centre, spread)))


def golden(name, model, frozen=()):
    with torch.no_grad():
        if isinstance(model, (ConvNeXt, Transformer, Mobile)):
            for parameter, value in zip(model.parameters(), encoders.fill({n: tuple(p.shape) for n, p in model.named_parameters()}).values()):
                parameter.copy_(torch.from_numpy(value))
        else:
            prepare(model)
    model.train()
    for module_name, module in model.named_modules():
        if any(module_name == f or module_name.startswith(f + ".") for f in frozen):
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
            module.eval()
    x = torch.from_numpy(around("input", (BATCH, HEIGHT, WIDTH, 3), 0, 1)).permute(0, 3, 1, 2)
    if isinstance(model, Clip):  # the same values, as channels of frames
        x = torch.from_numpy(around("input", (BATCH, 4, 12, 10, 3), 0, 1)).permute(0, 4, 1, 2, 3)
    logits = model(x)
    F.cross_entropy(logits, TARGETS).backward()
    print(name, logits[0].tolist())
    digits = lambda tensor: [float(f"{v:.9g}") for v in tensor.flatten().tolist()]  # full float32 precision
    return {
        "name": name, "frozen": list(frozen), "logits": digits(logits),
        "gradients": {n: digits(p.grad) for n, p in model.named_parameters() if p.requires_grad},
        "statistics": {n: digits(b) for n, b in model.named_buffers() if n.endswith(("mean", "var"))},
    }


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class TanhGELU(nn.Module):
    def forward(self, x):
        return F.gelu(x, approximate="tanh")


def steps():
    """Twenty steps of Adam on the small CNN, without dropout, and an LSTM: 4 clips of 3 frames of 32²."""
    cnn, lstm, fc = SmallCNN(), nn.LSTM(512, 16, 2, batch_first=True), nn.Linear(16, CLASSES)
    state = {k: v for k, v in cnn.state_dict().items() if not k.endswith("num_batches_tracked")}
    values = fill({k: tuple(v.shape) for k, v in state.items()})
    cnn.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    with torch.no_grad():
        for prefix, module in (("rnn.", lstm), ("fc.", fc)):
            for name, value in module.named_parameters():
                value.copy_(torch.from_numpy(around(prefix + name, tuple(value.shape), 0, 0.25)))
    parameters = [*cnn.parameters(), *lstm.parameters(), *fc.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-4)
    cnn.train()
    losses = []
    for step in range(20):
        x = torch.from_numpy(around(f"input {step % 2}", (12, 32, 32, 3), 0, 1)).permute(0, 3, 1, 2)
        rows = cnn.spatial(x).mean((2, 3)).reshape(4, 3, 512)
        loss = F.cross_entropy(fc(lstm(rows)[1][0][-1]), TARGETS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(losses)
    return {"losses": losses, "running_mean": cnn.bn4.running_mean.tolist()[::16], "running_var": cnn.bn4.running_var.tolist()[::16]}


if __name__ == "__main__":
    torch.set_num_threads(2)
    goldens = [
        golden("residual", Residual()), golden("inception", Inception()), golden("mbconv", MBConv()), golden("vgg", VGG()),
        golden("residual", Residual(), ("conv1", "bn1", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.downsample")),
        golden("vgg", VGG(), ("a",)), golden("clip", Clip()), golden("clip", Clip(), ("stem", "stembn", "spacebn")),
        golden("convnext", ConvNeXt(1)), golden("convnextv2", ConvNeXt(2)), golden("mobile", Mobile()),
        golden("class", Transformer(0, nn.GELU, "class")), golden("registers", Transformer(2, QuickGELU, "mean")),
        golden("latent", Transformer(0, TanhGELU, "latent")),
        golden("class", Transformer(0, nn.GELU, "class"), ("patch_embed", "blocks.0.norm1", "blocks.0.attn", "norm")),
    ]
    tests = pathlib.Path(__file__).parent.parent
    (tests / "TrainingTests/Fixtures/training.json").write_text(json.dumps({"goldens": goldens}, separators=(",", ":")))
    (tests / "BackbonesTests/Fixtures/steps.json").write_text(json.dumps(steps()))
