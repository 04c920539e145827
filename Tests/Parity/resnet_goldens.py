"""Features of torchvision's ResNets for generated parameters and pictures → BackbonesTests/Fixtures/resnet.json.

    python resnet_goldens.py            # torch, torchvision, numpy

Refuses parameters that make a poor golden: two pictures' features must differ by at least 10 % of the largest value.
"""

import json
import pathlib

import numpy as np
import torch
import torchvision

from parameters import around, pixels

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def fill(model, residual_end):
    """Mirrors `Backbones.ResNet`'s initialisers."""
    state = model.state_dict()
    for name, value in state.items():
        shape = tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            continue
        leaf = name.rsplit(".", 1)[1]
        if leaf == "running_mean":
            new = around(name, shape, 0, 0.1)
        elif leaf == "running_var":
            new = around(name, shape, 1, 0.3)
        elif value.ndim == 4:
            new = around(name, shape, 0, np.sqrt(6 / np.prod(shape[1:])))
        elif name.startswith("fc."):
            new = around(name, shape, 0, 1 / np.sqrt(model.fc.in_features))
        elif leaf == "weight":
            new = around(name, shape, 0.25 if residual_end in name else 1, 0.05 if residual_end in name else 0.2)
        else:
            new = around(name, shape, 0, 0.1)
        state[name] = torch.from_numpy(new)
    model.load_state_dict(state)


def features(name, size, tap):
    model = getattr(torchvision.models, name)(weights=None).eval()
    fill(model, ".bn2." if name in ("resnet18", "resnet34") else ".bn3.")
    pictures = [pixels(i, size, size) for i in range(2)]
    batch = np.stack([((p.astype(np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1) for p in pictures])
    model.avgpool = torch.nn.Identity() if tap == "spatial" else model.avgpool
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        x = torch.from_numpy(batch)
        for step in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            x = getattr(model, step)(x)
        x = x.permute(0, 2, 3, 1).contiguous() if tap == "spatial" else x.mean((2, 3))
    x = x.reshape(2, -1).numpy()
    spread = np.abs(x[0] - x[1]).max() / np.abs(x).max()
    print(f"{name} {size} {tap}: largest {np.abs(x).max():.3f}, two pictures differ by {100 * spread:.0f} %")
    assert spread >= 0.1, "these parameters prove nothing: the features hardly depend on the picture"
    return x


if __name__ == "__main__":
    torch.set_num_threads(2)
    goldens = []
    for name, size, tap in [
        ("resnet18", 224, "pooled"), ("resnet34", 112, "pooled"), ("resnet50", 224, "pooled"),
        ("resnet101", 96, "pooled"), ("resnet152", 224, "pooled"), ("resnet18", 64, "spatial"), ("resnet18", 97, "pooled"),
    ]:
        x = features(name, size, tap)
        keep = x[:, :: max(1, x.shape[1] // 256)]  # every n-th value is proof enough and keeps the file small
        goldens.append({
            "backbone": name, "imageSize": size, "tap": tap, "largest": float(np.abs(x).max()),
            "stride": max(1, x.shape[1] // 256), "featureSize": x.shape[1],
            "features": [[float(f"{v:.8g}") for v in row] for row in keep],
        })
    target = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures" / "resnet.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"torchvision": torchvision.__version__, "goldens": goldens}))
