"""Features of timm's EfficientNets → BackbonesTests/Fixtures/timm.json, and a small weight file → timm.bin.

    python timm_goldens.py              # timm, torch, safetensors, numpy

Parameters are generated under torchvision's names. The small file is a complete timm model with few channels,
saved like timm's published files.
"""

import json
import pathlib
import re

import numpy as np
import safetensors.torch
import timm
import torch
from timm.models._efficientnet_builder import EfficientNetBuilder, decode_arch_def
from timm.models.efficientnet import EfficientNet

from parameters import fill, pixels, record, spread_of

TARGET = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures"
ENDS = {"conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.8.0", "bn2": "features.8.1", "classifier": "classifier.1"}
FIRST = {"conv_dw": "0.0", "bn1": "0.1", "se.conv_reduce": "1.fc1", "se.conv_expand": "1.fc2", "conv_pw": "2.0", "bn2": "2.1"}
OTHERS = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se.conv_reduce": "2.fc1", "se.conv_expand": "2.fc2", "conv_pwl": "3.0", "bn3": "3.1"}


def torchvision_name(name):
    module, leaf = name.rsplit(".", 1)
    if module in ENDS:
        return f"{ENDS[module]}.{leaf}"
    stage, block, part = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(.+)", module).groups()
    return f"features.{int(stage) + 1}.{block}.block.{(OTHERS if int(stage) else FIRST)[part]}.{leaf}"


def loaded(model):
    names = {torchvision_name(k): k for k in model.state_dict() if not k.endswith("num_batches_tracked")}
    state = model.state_dict()
    for name, value in fill({t: tuple(state[k].shape) for t, k in names.items()}).items():
        state[names[name]] = torch.from_numpy(value)
    model.load_state_dict(state)
    return model.eval()


def features(name, size):
    model = loaded(timm.create_model(name, pretrained=False))
    mean, deviation = np.array([0.485, 0.456, 0.406], "f"), np.array([0.229, 0.224, 0.225], "f")
    pictures = np.stack([pixels(i, size, size).astype("f") for i in range(2)])
    x = torch.from_numpy((pictures / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        x = model.forward_features(x).mean((2, 3)).numpy()
    print(f"{name} {size}: {spread_of(x)}", flush=True)
    return x


def small():
    blocks = decode_arch_def([["ds_r1_k3_s1_e1_c8_se0.25"], ["ir_r2_k3_s2_e6_c8_se0.25"]])
    return loaded(EfficientNet(blocks, num_classes=3, num_features=8, stem_size=8, act_layer=torch.nn.SiLU))


if __name__ == "__main__":
    cases = [("efficientnet_b0", "timm", 128), ("efficientnet_b5", "timm", 128), ("tf_efficientnet_b0", "keras", 128)]
    goldens = [record(name.removeprefix("tf_"), numerics, size, "pooled", features(name, size)) for name, numerics, size in cases]
    (TARGET / "timm.json").write_text(json.dumps({"version": timm.__version__, "goldens": goldens}, separators=(",", ":")))
    safetensors.torch.save_file(small().state_dict(), TARGET / "timm.bin")
    print((TARGET / "timm.bin").stat().st_size)
