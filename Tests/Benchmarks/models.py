"""Networks for the peers: torchvision's with generated weights as ONNX, and those quantised by NNCF for OpenVINO."""

import os
import warnings

warnings.filterwarnings("ignore")

# Our name: torchvision's, Keras', side of the picture.
NETWORKS = {
    "resnet18": ("resnet18", None, 224),
    "resnet152": ("resnet152", "ResNet152", 224),
    "inceptionv3": ("inception_v3", "InceptionV3", 299),
    "efficientnet_b0": ("efficientnet_b0", "EfficientNetB0", 224),
    "efficientnet_b7": ("efficientnet_b7", "EfficientNetB7", 600),
}


def onnx(name, folder):
    """The path of the exported network."""
    import torch
    import torchvision

    published, _, size = NETWORKS[name]
    path = os.path.join(folder, published + ".onnx")
    if os.path.exists(path):
        return path
    extra = {"init_weights": False} if published == "inception_v3" else {}
    model = getattr(torchvision.models, published)(weights=None, **extra).eval()
    if hasattr(model, "fc"):
        model.fc = torch.nn.Identity()
    else:
        model.classifier = torch.nn.Identity()
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        model, (torch.zeros(2, 3, size, size),), path + ".part", dynamo=False, input_names=["x"], output_names=["y"],
        dynamic_axes=axes)
    os.replace(path + ".part", path)
    return path


def quantised(name, folder, pictures=16):
    """The path of the network in eight bits; only its speed matters here, so a few pictures of noise will do."""
    path = os.path.join(folder, NETWORKS[name][0] + "-int8.xml")
    if os.path.exists(path):
        return path
    import nncf
    import numpy
    import openvino

    size = NETWORKS[name][2]
    model = openvino.Core().read_model(onnx(name, folder))
    model.reshape([1, 3, size, size])
    random = numpy.random.default_rng(0)
    batches = [random.random((1, 3, size, size), dtype="f") for _ in range(pictures)]
    openvino.save_model(nncf.quantize(model, nncf.Dataset(batches), subset_size=pictures), path)
    return path
