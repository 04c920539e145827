"""Features of torchvision's models for generated parameters and images → BackbonesTests/Fixtures/torchvision.json.

    python torchvision_goldens.py       # torch, torchvision, numpy
"""

import json
import pathlib

import numpy as np
import torch
import torchvision

from parameters import fill, pixels, record, spread_of

IMAGENET = (np.array([0.485, 0.456, 0.406], "f"), np.array([0.229, 0.224, 0.225], "f"))
SYMMETRIC = (np.array([0.5] * 3, "f"), np.array([0.5] * 3, "f"))


class SmallCNN(torch.nn.Module):
    """The published recipe's model, from its table of layers."""

    def __init__(self):
        super().__init__()
        for i, (a, b, k) in enumerate([(3, 64, 7), (64, 128, 3), (128, 256, 3), (256, 512, 3)]):
            setattr(self, f"conv{i + 1}", torch.nn.Conv2d(a, b, k, 2, k // 2, bias=False))
            setattr(self, f"bn{i + 1}", torch.nn.BatchNorm2d(b))

    def spatial(self, x):
        for i in range(4):
            x = torch.relu(getattr(self, f"bn{i + 1}")(getattr(self, f"conv{i + 1}")(x)))
            x = torch.nn.functional.max_pool2d(x, 3, 2, 1) if i == 0 else x
        return x


def make(name):
    if name == "small_cnn":
        return SmallCNN()
    if name == "inceptionv3":
        return torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=True)
    return getattr(torchvision.models, name)(weights=None)


def spatial(name, model, x):
    if name == "small_cnn":
        return model.spatial(x)
    if name.startswith(("efficientnet", "vgg")):
        return model.features(x)
    steps = ("conv1 bn1 relu maxpool layer1 layer2 layer3 layer4" if name.startswith("resnet") else
             "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 Mixed_5b Mixed_5c Mixed_5d "
             "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c")
    for step in steps.split():
        x = getattr(model, step)(x)
    return x


def features(name, size, tap):
    model = make(name).eval()
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    values = fill({k: tuple(v.shape) for k, v in state.items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    mean, deviation = SYMMETRIC if name == "inceptionv3" else IMAGENET
    pictures = [((pixels(i, size, size).astype("f") / 255 - mean) / deviation).transpose(2, 0, 1) for i in range(2)]
    with torch.no_grad():
        x = spatial(name, model, torch.from_numpy(np.stack(pictures)))
    x = x.mean((2, 3)) if tap == "pooled" else x.permute(0, 2, 3, 1)
    x = x.reshape(2, -1).numpy()
    print(f"{name} {size} {tap}: {spread_of(x)}", flush=True)
    return x


if __name__ == "__main__":
    torch.set_num_threads(2)
    cases = [
        ("resnet18", 224, "pooled"), ("resnet34", 112, "pooled"), ("resnet50", 224, "pooled"), ("resnet101", 96, "pooled"),
        ("resnet152", 224, "pooled"), ("resnet18", 64, "spatial"), ("resnet18", 97, "pooled"),
        ("inceptionv3", 299, "pooled"), ("inceptionv3", 224, "pooled"), ("inceptionv3", 75, "spatial"),
        ("vgg16", 224, "pooled"), ("vgg16", 128, "flatten"), ("small_cnn", 128, "pooled"), ("small_cnn", 97, "spatial"),
        ("efficientnet_b0", 224, "pooled"), ("efficientnet_b0", 97, "spatial"), ("efficientnet_b7", 600, "pooled"),
    ] + [(f"efficientnet_b{i}", 128, "pooled") for i in range(1, 7)]
    goldens = [record(name, "torchvision", size, tap, features(name, size, tap)) for name, size, tap in cases]
    target = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures" / "torchvision.json"
    target.write_text(json.dumps({"version": torchvision.__version__, "goldens": goldens}, separators=(",", ":")))
