"""Grad-CAM of PyTorch through the head and last feature maps, for generated parameters and images →
PipelinesTests/Fixtures/cam.json.

    python cam_goldens.py               # torch, torchvision, timm, numpy
"""

import json
import pathlib

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional as F

import clip_goldens
import encoders
from parameters import around, fill, pixels
from torchvision_goldens import IMAGENET, make, spatial

FRAMES, CLASSES, HIDDEN = 4, 3, 5


class Head(nn.Module):
    """Reads [frame, feature] (convlstm: [frame, height, width, channel]); returns one score per class, `frame` one per frame."""

    def __init__(self, kind, shape):
        super().__init__()
        self.kind = kind
        size = int(np.prod(shape))
        if kind == "gru":
            self.rnn, size = nn.GRU(size, HIDDEN, batch_first=True), HIDDEN
        if kind == "attention":
            self.attention = nn.Sequential(nn.Linear(size, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        if kind == "convlstm":
            self.convlstm, size = nn.Conv2d(shape[2] + HIDDEN, 4 * HIDDEN, 3, padding=1), HIDDEN
        self.fc = nn.Linear(size, CLASSES)

    def forward(self, x):
        if self.kind == "average":
            return self.fc(x.mean(0))
        if self.kind == "gru":
            return self.fc(self.rnn(x[None])[1][-1, 0])
        if self.kind == "attention":
            return self.fc((torch.softmax(self.attention(x), 0) * x).sum(0))
        if self.kind == "convlstm":
            h = c = torch.zeros(1, HIDDEN, *x.shape[1:3])
            for frame in x.permute(0, 3, 1, 2):
                i, f, g, o = self.convlstm(torch.cat([frame[None], h], 1)).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return self.fc(h.mean((2, 3))[0])
        return self.fc(x)


# timm's models: name, target layer of the gradients, the input's mean and standard deviation.
NEWER = {
    "vit_tiny_16": ("vit_tiny_patch16_224", "blocks.11.norm1", ([0.5] * 3, [0.5] * 3)),
    "dinov2_vits14_reg": ("vit_small_patch14_reg4_dinov2", "blocks.11.norm1", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
    "siglip_b16": ("vit_base_patch16_siglip_224", "blocks.11.norm1", ([0.5] * 3, [0.5] * 3)),
    "convnext_tiny": ("convnext_tiny", "stages.3", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
}


def newer(backbone, tap, kind, size, label):
    """Like pytorch-grad-cam for transformers: at the input of the last block's attention, without the prefix tokens."""
    name, place, convention = NEWER[backbone]
    model = timm.create_model(name, pretrained=False, **({"dynamic_img_size": True} if name.startswith("vit") else {}))
    encoders.load(model, encoders.timm_names, encoders.shapes_of_timm(model))
    kept = {}

    def keep(module, inputs, output):
        kept["maps"] = output
        output.retain_grad()

    model.get_submodule(place).register_forward_hook(keep)
    mean, deviation = (np.array(v, "f") for v in convention)
    pictures = [((pixels(i, size, size).astype("f") / 255 - mean) / deviation).transpose(2, 0, 1) for i in range(FRAMES)]
    features = model.forward_features(torch.from_numpy(np.stack(pictures)))
    if tap == "tokens":
        side = size // model.patch_embed.patch_size[0]
        x = features[:, model.num_prefix_tokens :].reshape(FRAMES, side, side, -1)
    else:
        x = model.forward_head(features, pre_logits=True)
    scores = through(Head(kind, tuple(x.shape[1:])), x)
    scores[..., label].sum().backward()
    maps, gradients = kept["maps"].detach(), kept["maps"].grad
    if maps.dim() == 3:
        side, first = size // model.patch_embed.patch_size[0], model.num_prefix_tokens
        maps, gradients = (t[:, first:].reshape(FRAMES, side, side, -1).permute(0, 3, 1, 2) for t in (maps, gradients))
    return document(backbone, tap, kind, size, label, maps, gradients)


def overlapping(backbone, kind, size, label, length=3):
    """For a video encoder with windows that begin at each frame: one map per time,
    the mean over the windows that contain a frame."""
    model = clip_goldens.filled(backbone)
    mean, deviation = clip_goldens.KINETICS
    pictures = [((pixels(i, size, size).astype("f") / 255 - mean) / deviation).transpose(2, 0, 1) for i in range(FRAMES)]
    windows = [list(range(first, first + length)) for first in range(FRAMES - length + 1)]
    x = torch.from_numpy(np.stack([np.stack([pictures[i] for i in window], 1) for window in windows]))
    with torch.no_grad():
        for step in (model.stem, model.layer1, model.layer2, model.layer3, model.layer4):
            x = step(x)
    maps = x.requires_grad_()
    assert maps.shape[2] == length
    features = maps.mean((2, 3, 4))
    through(Head(kind, tuple(features.shape[1:])), features)[..., label].sum().backward()
    cam = F.relu((maps.grad.mean((2, 3, 4), keepdim=True) * maps).sum(1)).detach()
    frames = [torch.stack([cam[w, window.index(i)] for w, window in enumerate(windows) if i in window]).mean(0)
              for i in range(FRAMES)]
    print(f"{backbone} {kind}: {tuple(cam.shape)}")
    return {
        "backbone": backbone, "tap": "pooled", "kind": kind, "image_size": size, "label": label, "window": length,
        "shape": [maps.shape[1], *maps.shape[3:]], "maps": torch.stack(frames).flatten().tolist(),
    }


def through(head, x):
    """Scores of a head with generated parameters, after its standardisation."""
    count = x[0].numel()
    shift, scale = (torch.from_numpy(around(n, (count,), c, s)).reshape(x[0].shape) for n, c, s in (("mean", 0.5, 0.5), ("scale", 1, 0.5)))
    named = dict(head.named_parameters())
    with torch.no_grad():
        for name, value in named.items():
            weight = named.get(name.rsplit(".", 1)[0] + ".weight", value)
            fan = HIDDEN if name.startswith("rnn.") else int(np.prod(weight.shape[1:]))
            value.copy_(torch.from_numpy(around(name, tuple(value.shape), 0, 1 / np.sqrt(fan))))
    return head((x - shift) * scale)


def document(backbone, tap, kind, size, label, maps, gradients):
    cam = F.relu((gradients.mean((2, 3), keepdim=True) * maps).sum(1)).detach()
    print(f"{backbone} {tap} {kind}: {tuple(cam.shape)}, {(cam > 0).float().mean():.2f} above 0")
    return {
        "backbone": backbone, "tap": tap, "kind": kind, "image_size": size, "label": label, "shape": list(maps.shape[1:]),
        "maps": cam.flatten().tolist(),
    }


def golden(backbone, tap, kind, size, label):
    if backbone in NEWER:
        return newer(backbone, tap, kind, size, label)
    model = make(backbone).eval()
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    values = fill({k: tuple(v.shape) for k, v in state.items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    mean, deviation = IMAGENET
    pictures = [((pixels(i, size, size).astype("f") / 255 - mean) / deviation).transpose(2, 0, 1) for i in range(FRAMES)]
    with torch.no_grad():
        maps = spatial(backbone, model, torch.from_numpy(np.stack(pictures)))
    maps.requires_grad_()
    x = maps.mean((2, 3)) if tap == "pooled" else maps.permute(0, 2, 3, 1)
    x = x.reshape(FRAMES, -1) if tap == "flatten" else x
    scores = through(Head(kind, tuple(x.shape[1:])), x)
    scores[..., label].sum().backward()
    return document(backbone, tap, kind, size, label, maps, maps.grad)


if __name__ == "__main__":
    torch.set_num_threads(2)
    cases = [
        ("resnet18", "pooled", "average", 128, 0), ("resnet18", "pooled", "gru", 128, 1), ("resnet18", "pooled", "frame", 96, 2),
        ("resnet18", "spatial", "convlstm", 96, 0), ("efficientnet_b0", "pooled", "attention", 96, 1),
        ("vgg16", "flatten", "average", 64, 2), ("vit_tiny_16", "pooled", "gru", 96, 1),
        ("dinov2_vits14_reg", "tokens", "convlstm", 56, 0), ("siglip_b16", "pooled", "attention", 64, 2),
        ("convnext_tiny", "pooled", "gru", 96, 0),
    ]
    small = torch.from_numpy(around("map", (3, 5), 0, 1))
    up = F.interpolate(small[None, None], (8, 13), mode="bilinear", align_corners=False)
    document = {"goldens": [golden(*case) for case in cases] + [overlapping("mc3_18", "gru", 96, 1)], "upsampled": up.flatten().tolist()}
    path = pathlib.Path(__file__).parent.parent / "PipelinesTests/Fixtures/cam.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
