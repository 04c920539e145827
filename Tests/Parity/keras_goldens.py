"""Features of keras.applications' models for generated parameters and images → BackbonesTests/Fixtures/keras.json.

    python keras_goldens.py             # tensorflow, numpy (no torch)

Parameters have torchvision's names and shapes and are loaded into Keras' layers in the order in which both publishers
build them. Models that normalise their input get ImageNet's mean and standard deviation.
"""

import json
import os
import pathlib
import re

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np

import encoders
from parameters import fill, pixels, record, spread_of

BLOCKS = [1, 2, 2, 3, 3, 4, 1]


def layers_of(model, kinds):
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def shape_oihw(layer):
    """torchvision's shape of a Keras kernel."""
    kernel = layer.get_weights()[0].shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (kernel[2], 1, kernel[0], kernel[1])
    return (kernel[3], kernel[2], kernel[0], kernel[1])


def to_keras(layer, weight):
    return weight.transpose(2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else weight.transpose(2, 3, 1, 0)


def load(model, pairs, fill=fill):
    """pairs: (torchvision module of the convolution, of its batch normalisation or None, Keras convolution, Keras normalisation)."""
    shapes = {}
    for conv, bn, layer, normalisation in pairs:
        shapes[conv + ".weight"] = shape_oihw(layer)
        if layer.use_bias:
            shapes[conv + ".bias"] = (shape_oihw(layer)[0],)
        if bn:
            leaves = (["weight"] if normalisation.scale else []) + ["bias", "running_mean", "running_var"]
            shapes |= {f"{bn}.{leaf}": (shape_oihw(layer)[0],) for leaf in leaves}
    values = fill(shapes)
    for conv, bn, layer, normalisation in pairs:
        layer.set_weights([to_keras(layer, values[conv + ".weight"])] + ([values[conv + ".bias"]] if layer.use_bias else []))
        if bn:
            leaves = (["weight"] if normalisation.scale else []) + ["bias", "running_mean", "running_var"]
            normalisation.set_weights([values[f"{bn}.{leaf}"] for leaf in leaves])


def inception_names():
    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    a = ["branch1x1", "branch5x5_1", "branch5x5_2", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3", "branch_pool"]
    b = ["branch3x3", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]
    c = ["branch1x1"] + [f"branch7x7_{i}" for i in (1, 2, 3)] + [f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)] + ["branch_pool"]
    d = ["branch3x3_1", "branch3x3_2"] + [f"branch7x7x3_{i}" for i in (1, 2, 3, 4)]
    e = ["branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"]
    for blocks, branches in [(("5b", "5c", "5d"), a), (("6a",), b), (("6b", "6c", "6d", "6e"), c), (("7a",), d), (("7b", "7c"), e)]:
        names += [f"Mixed_{block}.{branch}" for block in blocks for branch in branches]
    return names


def inceptionv3(size):
    model = keras.applications.InceptionV3(include_top=False, pooling=None, weights=None, input_shape=(size, size, 3))
    # Keras numbers layers in creation order; model.layers is sorted by depth.
    number = lambda layer: int((re.search(r"_(\d+)$", layer.name) or [0, 0])[1])
    convolutions = sorted(layers_of(model, keras.layers.Conv2D), key=number)
    normalisations = sorted(layers_of(model, keras.layers.BatchNormalization), key=number)
    load(model, [(f"{n}.conv", f"{n}.bn", c, b) for n, c, b in zip(inception_names(), convolutions, normalisations, strict=True)])
    return model, lambda x: x / np.float32(127.5) - 1


def efficientnet(name, size):
    make = getattr(keras.applications, "EfficientNet" + name[-2:].upper())
    model = make(include_top=False, pooling=None, weights=None, input_shape=(size, size, 3))
    get = model.get_layer
    pairs = [("features.0.0", "features.0.1", get("stem_conv"), get("stem_bn"))]
    for layer in layers_of(model, keras.layers.DepthwiseConv2D):
        block = layer.name[: -len("_dwconv")]
        stage, index = int(block[5]), ord(block[6]) - ord("a")
        prefix, part = f"features.{stage}.{index}.block.", 0
        if stage > 1:
            pairs.append((f"{prefix}0.0", f"{prefix}0.1", get(f"{block}_expand_conv"), get(f"{block}_expand_bn")))
            part = 1
        pairs.append((f"{prefix}{part}.0", f"{prefix}{part}.1", layer, get(f"{block}_bn")))
        pairs.append((f"{prefix}{part + 1}.fc1", None, get(f"{block}_se_reduce"), None))
        pairs.append((f"{prefix}{part + 1}.fc2", None, get(f"{block}_se_expand"), None))
        pairs.append((f"{prefix}{part + 2}.0", f"{prefix}{part + 2}.1", get(f"{block}_project_conv"), get(f"{block}_project_bn")))
    pairs.append(("features.8.0", "features.8.1", get("top_conv"), get("top_bn")))
    load(model, pairs)
    normalisation = next(l for l in model.layers if isinstance(l, keras.layers.Normalization))
    mean, variance = np.array([0.485, 0.456, 0.406], "f"), np.array([0.229, 0.224, 0.225], "f") ** 2
    normalisation.set_weights([mean, variance] + normalisation.get_weights()[2:])
    normalisation.finalize_state()
    return model, lambda x: x


def efficientnetv2(name, size):
    """Names are timm's."""
    model = getattr(keras.applications, "EfficientNetV2" + name[-1].upper())(include_top=False, pooling=None, weights=None, input_shape=(size, size, 3))
    get = model.get_layer
    pairs = [("conv_stem", "bn1", get("stem_conv"), get("stem_bn"))]
    names = {layer.name for layer in model.layers}
    for block in sorted({n.split("_")[0] for n in names if n.startswith("block")}):
        prefix = f"blocks.{int(block[5]) - 1}.{ord(block[6]) - ord('a')}."
        own = lambda *parts: [(prefix + conv, bn and prefix + bn, get(f"{block}_{layer}"), get(f"{block}_{norm}") if norm else None) for conv, bn, layer, norm in parts]
        if f"{block}_dwconv2" in names:
            pairs += own(("conv_pw", "bn1", "expand_conv", "expand_bn"), ("conv_dw", "bn2", "dwconv2", "bn"), ("se.conv_reduce", None, "se_reduce", None),
                         ("se.conv_expand", None, "se_expand", None), ("conv_pwl", "bn3", "project_conv", "project_bn"))
        elif f"{block}_expand_conv" in names:
            pairs += own(("conv_exp", "bn1", "expand_conv", "expand_bn"), ("conv_pwl", "bn2", "project_conv", "project_bn"))
        else:
            pairs += own(("conv", "bn1", "project_conv", "project_bn"))
    load(model, pairs + [("conv_head", "bn2", get("top_conv"), get("top_bn"))], encoders.fill)
    return model, lambda x: x


def vgg16(size):
    model = keras.applications.VGG16(include_top=False, pooling=None, weights=None, input_shape=(size, size, 3))
    numbers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    load(model, [(f"features.{n}", None, c, None) for n, c in zip(numbers, layers_of(model, keras.layers.Conv2D), strict=True)])
    return model, lambda x: keras.applications.vgg16.preprocess_input(x.copy())


def features(name, size, tap):
    makers = {"inceptionv3": lambda _, size: inceptionv3(size), "vgg16": lambda _, size: vgg16(size)}
    model, preprocess = makers.get(name, efficientnetv2 if "v2" in name else efficientnet)(name, size)
    pictures = np.stack([pixels(i, size, size).astype("f") for i in range(2)])
    x = np.asarray(model(preprocess(pictures), training=False))
    x = x.mean((1, 2)) if tap == "pooled" else x
    x = x.reshape(2, -1)
    print(f"{name} {size} {tap}: {spread_of(x)}", flush=True)
    return x


if __name__ == "__main__":
    cases = [
        ("inceptionv3", 299, "pooled"), ("inceptionv3", 224, "pooled"), ("inceptionv3", 75, "spatial"), ("vgg16", 128, "flatten"),
        ("efficientnet_b0", 224, "pooled"), ("efficientnet_b0", 97, "spatial"), ("efficientnet_b3", 128, "pooled"), ("efficientnet_b5", 128, "pooled"),
        ("efficientnet_b7", 600, "pooled"), ("efficientnetv2_s", 128, "pooled"), ("efficientnetv2_s", 97, "spatial"), ("efficientnetv2_m", 128, "pooled"),
        ("efficientnetv2_l", 128, "pooled"),
    ]
    goldens = [record(name, "keras", size, tap, features(name, size, tap)) for name, size, tap in cases]
    target = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures" / "keras.json"
    target.write_text(json.dumps({"version": keras.__version__, "goldens": goldens}, separators=(",", ":")))
