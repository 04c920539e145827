"""Models for the peers: torchvision's and timm's with their random initial weights as ONNX, and their NNCF quantisation for
OpenVINO."""

import os
import warnings

warnings.filterwarnings("ignore")

# Our name: torchvision's (or, with the prefix `timm.`, timm's), Keras', image size.
NETWORKS = {
    "resnet18": ("resnet18", None, 224),
    "resnet152": ("resnet152", "ResNet152", 224),
    "inceptionv3": ("inception_v3", "InceptionV3", 299),
    "efficientnet_b0": ("efficientnet_b0", "EfficientNetB0", 224),
    "efficientnet_b7": ("efficientnet_b7", "EfficientNetB7", 600),
    "efficientnet_lite0": ("timm.efficientnet_lite0", None, 224),
    "efficientnetv2_s": ("efficientnet_v2_s", None, 384),
    "mobilenetv3_large": ("mobilenet_v3_large", None, 224),
    "convnext_tiny": ("convnext_tiny", None, 224),
    "vit_small_16": ("timm.vit_small_patch16_224", None, 224),
    "vit_base_16": ("timm.vit_base_patch16_224", None, 224),
    "dinov2_vits14": ("timm.vit_small_patch14_dinov2", None, 224),
}


def build(published, exportable=True):
    """The model without its classifier, which equals the tap `pooled`.

    `exportable`: attention as separate operations instead of PyTorch's fused one; OpenVINO fuses them again.
    """
    import torch

    if published.startswith("timm."):
        import timm

        name = published.removeprefix("timm.")
        options = {"img_size": 224} if name.startswith("vit") else {}
        return timm.create_model(name, pretrained=False, num_classes=0, exportable=exportable, **options).eval()
    import torchvision

    extra = {"init_weights": False} if published == "inception_v3" else {}
    model = getattr(torchvision.models, published)(weights=None, **extra).eval()
    if hasattr(model, "fc"):
        model.fc = torch.nn.Identity()
    elif published.startswith("convnext"):
        model.classifier[2] = torch.nn.Identity()
    else:
        model.classifier = torch.nn.Identity()
    return model


def onnx(name, folder):
    """The path of the exported model."""
    import torch

    published, _, size = NETWORKS[name]
    path = os.path.join(folder, published + ".onnx")
    if os.path.exists(path):
        return path
    model = build(published)
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        model, (torch.zeros(2, 3, size, size),), path + ".part", dynamo=False, input_names=["x"], output_names=["y"],
        dynamic_axes=axes)
    os.replace(path + ".part", path)
    return path


def quantised(name, folder, pictures=16):
    """The path of the int8 model; only its speed matters here, so a few noise images suffice for calibration."""
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
    kind = nncf.ModelType.TRANSFORMER if "vit" in name else None
    openvino.save_model(nncf.quantize(model, nncf.Dataset(batches), subset_size=pictures, model_type=kind), path)
    return path
