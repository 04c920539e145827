"""The counter-based generator of parameters, identical here and in Swift (`RandomParameters`).

Value i of a parameter depends on its name, the seed and i alone: the 64-bit state
fnv1a(name) ^ (seed + 1) * M + (i + 1) * M goes through SplitMix64's finaliser and its top 24 bits make u in [0, 1).
"""

import re

import numpy as np

M = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def uniform(name, count, seed=0):
    """`count` float32 values in [0, 1), multiples of 2^-24."""
    with np.errstate(over="ignore"):
        key = fnv1a(name) ^ (np.uint64(seed + 1) * M)
        z = key + np.arange(1, count + 1, dtype=np.uint64) * M
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def around(name, shape, centre, spread, seed=0):
    """centre + spread * (2u - 1), in float32."""
    u = uniform(name, int(np.prod(shape)), seed)
    values = np.float32(centre) + np.float32(spread) * (np.float32(2) * u - np.float32(1))
    return values.reshape(shape)


def pixels(index, height, width):
    """Image `index`, [height, width, 3] of uint8: a random mosaic of (index + 2)² tiles under fine noise."""
    tiles = index + 2
    coarse = uniform(f"picture {index} tiles", tiles * tiles * 3).reshape(tiles, tiles, 3)
    fine = uniform(f"picture {index} noise", height * width * 3).reshape(height, width, 3)
    rows = np.arange(height) * tiles // height
    columns = np.arange(width) * tiles // width
    mixed = np.float32(231) * coarse[rows][:, columns] + np.float32(24) * fine
    return mixed.astype(np.uint8)


def fill(shapes):
    """Values for every parameter, like the initialisers in `Backbones`; names are torchvision's.

    `shapes`: name → shape. Linear layers have two dimensions, convolutions four, those over frames five.
    """
    values = {}
    for name, shape in shapes.items():
        module, leaf = name.rsplit(".", 1)
        weight = shapes.get(module + ".weight", shape)
        fan = int(np.prod(weight[1:]))
        if leaf == "running_mean":
            values[name] = around(name, shape, 0, 0.1)
        elif leaf == "running_var":
            values[name] = around(name, shape, 1, 0.3)
        elif leaf == "weight" and len(shape) in (4, 5) and not module.endswith(("fc1", "fc2")):  # small initial excitation
            values[name] = around(name, shape, 0, np.sqrt(6 / fan))
        elif len(weight) >= 2:  # linear weights, and the biases of linear layers and convolutions
            values[name] = around(name, shape, 0, 1 / np.sqrt(fan))
        elif leaf == "weight":
            scale = residual_scale(name, shapes)
            values[name] = around(name, shape, scale, np.float32(scale) / np.float32(5))
        else:
            values[name] = around(name, shape, 0, 0.1)
    return values


def residual_scale(name, shapes):
    """Batch normalisations that end a block: below 1 in a ResNet's residual branch; above 1 after squeeze-excitation."""
    if re.match(r"layer\d\.\d\.(conv|downsample)[12]?\.\d", name) and "bn" not in " ".join(shapes):  # over frames
        return 0.25 if ".conv2.1." in name else 1
    if re.match(r"layer\d", name):
        last = "bn3" if name.replace(name.split(".")[2], "bn3") in shapes else "bn2"
        return 0.25 if f".{last}." in name else 1
    block = re.match(r"features\.(\d)\.(\d+)\.block\.(\d)\.1\.weight", name)
    if block:
        stage, index, part = map(int, block.groups())
        if part == (2 if stage == 1 else 3):
            return 0.2 if index > 0 else 1.5
    return 1


def spread_of(features):
    """Relative difference of two images' features; rejects goldens whose features hardly differ."""
    spread = np.abs(features[0] - features[1]).max() / np.abs(features).max()
    assert spread >= 0.1, f"the features hardly depend on the image ({100 * spread:.0f} %)"
    return f"largest {np.abs(features).max():.3g}, two images differ by {100 * spread:.0f} %"


def record(backbone, numerics, size, tap, features):
    """A golden: every n-th feature suffices and keeps the file small."""
    stride = max(1, features.shape[1] // 128)
    return {
        "backbone": backbone, "numerics": numerics, "imageSize": size, "tap": tap, "largest": float(np.abs(features).max()),
        "stride": stride, "featureSize": features.shape[1],
        "features": [[float(f"{v:.8g}") for v in row[::stride]] for row in features],
    }
