"""Features and logits of the newer encoders → BackbonesTests/Fixtures/encoders.json; names and small files of their
publishers → BackbonesTests/Fixtures/names.json, peers/*.bin.

    python encoder_goldens.py [PATTERN]     # timm, torch, torchvision, transformers, open_clip_torch, safetensors, numpy

With a pattern, only matching backbones are recomputed.
"""

import json
import pathlib
import re
import sys
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import open_clip
import timm
import torch
import torchvision
import transformers

import encoders
from parameters import pixels, spread_of

TARGET = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures"
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)
BY128 = ([128 / 255] * 3, [128 / 255] * 3)
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def pictures(size, convention):
    mean, deviation = np.array(convention[0], "f"), np.array(convention[1], "f")
    x = np.stack([pixels(i, size, size).astype("f") for i in range(2)])
    return torch.from_numpy((x / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def last(images):  # [n, c, h, w] → [n, h, w, c]
    return images.permute(0, 2, 3, 1)


def of_timm(name, projects=False, **options):
    """A timm model: how to create it, and its outputs by tap."""
    def run(size):
        if name.startswith("vit_"):
            options.setdefault("dynamic_img_size", True)
        model = timm.create_model(name, pretrained=False, **options)
        encoders.load(model, encoders.timm_names, encoders.shapes_of_timm(model, projects))

        def outputs(x):
            features = model.forward_features(x)
            result = {"pooled": model.forward_head(features, pre_logits=True)}
            if features.ndim == 3:
                side, first = x.shape[2] // model.patch_embed.patch_size[0], model.num_prefix_tokens
                result["tokens"] = features[:, first:].reshape(len(x), side, side, -1)
            else:
                result["spatial"] = last(features)
                if hasattr(model, "conv_head") and "mobilenet" in name:
                    result["pooled"] = features.mean((2, 3))
            if model.num_classes:
                result["projected" if projects else "logits"] = model(x)
            elif "siglip" in name:
                result["projected"] = result["pooled"]
            return result

        return outputs
    return run


def of_torchvision(name, names, twin, **twin_options):
    def run(size):
        model = getattr(torchvision.models, name)(weights=None)
        encoders.load(model, names, encoders.shapes_of_timm(timm.create_model(twin, pretrained=False, **twin_options)))

        def outputs(x):
            if "vit" in name:
                tokens = model._process_input(x)
                tokens = model.encoder(torch.cat([model.class_token.expand(len(x), -1, -1), tokens], 1))
                return {"pooled": tokens[:, 0], "logits": model(x)}
            features = model.features(x)
            pooled = model.avgpool(features)
            if "convnext" in name:
                pooled = model.classifier[0](pooled)
            return {"spatial": last(features), "pooled": pooled.flatten(1), "logits": model(x)}

        return outputs
    return run


def of_open_clip(name, twin, quick):
    def run(size):
        model = open_clip.create_model(name, pretrained=None, force_quick_gelu=quick)
        ours = encoders.shapes_of_timm(timm.create_model(twin, pretrained=False, num_classes=model.visual.output_dim), True)
        encoders.load(model, encoders.open_clip_names, ours)
        return lambda x: {"projected": model.encode_image(x)}
    return run


SIZES = {"s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16)}


def config(size, patch, side):
    width, depth, heads = SIZES[size]
    return dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=depth, num_attention_heads=heads, patch_size=patch, image_size=side)


def of_transformers(kind, size, patch, side, twin, projects=False):
    def run(_):
        options = {"num_classes": 768 if size == "l" else 512} if projects else {}
        ours = encoders.shapes_of_timm(timm.create_model(twin, pretrained=False, **options), projects)
        if kind == "clip":
            model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**config(size, patch, side), projection_dim=options["num_classes"]))
            encoders.load(model, encoders.transformers_tower, ours)
            return lambda x: {"projected": model(x).image_embeds}
        if kind == "siglip":
            model = transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**config(size, patch, side)))
            encoders.load(model, encoders.transformers_tower, ours)

            def outputs(x):
                y = model(x)
                return {"tokens": y.last_hidden_state.reshape(len(x), side // patch, side // patch, -1), "pooled": y.pooler_output}
            return outputs
        options = {k: v for k, v in config(size, patch, side).items() if k != "intermediate_size"}
        if kind == "dinov2_reg":
            model = transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**options, num_register_tokens=4))
        else:
            model = transformers.Dinov2Model(transformers.Dinov2Config(**options))
        encoders.load(model, encoders.transformers_dino, ours)

        def outputs(x):
            y = model(x)
            first = 5 if kind == "dinov2_reg" else 1
            return {"pooled": y.pooler_output, "tokens": y.last_hidden_state[:, first:].reshape(len(x), side // patch, side // patch, -1)}
        return outputs
    return run


def cases():
    """backbone, numerics, input convention, image size, publisher, model, taps."""
    both = ["pooled", "logits"]
    yield "efficientnet_lite0", "timm", IMAGENET, 224, "timm", of_timm("efficientnet_lite0"), both
    yield "efficientnet_lite0", "keras", HALF, 97, "timm", of_timm("tf_efficientnet_lite0"), ["pooled", "spatial"]
    for i in range(1, 5):
        yield f"efficientnet_lite{i}", "keras", HALF, 128, "timm", of_timm(f"tf_efficientnet_lite{i}"), both
    yield "efficientnet_lite4", "timm", IMAGENET, 96, "timm", of_timm("efficientnet_lite4"), ["pooled"]
    for size in "sml":
        network = of_torchvision(f"efficientnet_v2_{size}", encoders.torchvision_efficientnetv2, f"efficientnetv2_{size}")
        yield f"efficientnetv2_{size}", "torchvision", HALF if size == "l" else IMAGENET, 128, "torchvision", network, both
    yield "efficientnetv2_s", "timm", IMAGENET, 97, "timm", of_timm("efficientnetv2_s"), ["pooled", "spatial"]
    yield "efficientnetv2_s", "keras", BY128, 128, "timm", of_timm("tf_efficientnetv2_s"), both
    yield "mobilenetv3_large", "torchvision", IMAGENET, 224, "torchvision", of_torchvision("mobilenet_v3_large", encoders.torchvision_mobilenetv3, "mobilenetv3_large_100"), both
    yield "mobilenetv3_large", "timm", IMAGENET, 97, "timm", of_timm("mobilenetv3_large_100"), ["pooled", "spatial"]
    yield "mobilenetv3_large", "keras", HALF, 128, "timm", of_timm("tf_mobilenetv3_large_100"), both
    for size in ["tiny", "small", "base", "large"]:
        side = 224 if size == "tiny" else 96
        yield f"convnext_{size}", "torchvision", IMAGENET, side, "torchvision", of_torchvision(f"convnext_{size}", encoders.torchvision_convnext, f"convnext_{size}"), both
        yield f"convnextv2_{size}", "timm", IMAGENET, side, "timm", of_timm(f"convnextv2_{size}"), both
    yield "convnext_tiny", "timm", IMAGENET, 97, "timm", of_timm("convnext_tiny"), ["pooled", "spatial"]
    for size, patch in [("tiny", 16), ("small", 16), ("small", 32), ("base", 16), ("base", 32), ("large", 16), ("large", 32)]:
        for side in [224, (112 if size == "large" else 160) if patch == 16 else 128 if size == "large" else 320]:
            yield f"vit_{size}_{patch}", "timm", HALF, side, "timm", of_timm(f"vit_{size}_patch{patch}_224", num_classes=1000), ["pooled", "tokens", "logits"] if side == 224 else ["pooled"]
    for name, own in [("b_16", "base_16"), ("b_32", "base_32"), ("l_16", "large_16")]:
        twin = "vit_{}_patch{}_224".format(*own.split("_"))
        yield f"vit_{own}", "torchvision", IMAGENET, 224, "torchvision", of_torchvision(f"vit_{name}", encoders.torchvision_vit, twin), both
    for size, word in [("s", "small"), ("b", "base"), ("l", "large")]:
        for registers in ["", "_reg"]:
            name, twin = f"dinov2_vit{size}14{registers}", f"vit_{word}_patch14{'_reg4' if registers else ''}_dinov2"
            yield name, "timm", IMAGENET, 224, "timm", of_timm(twin), ["pooled", "tokens"]
            if size != "s":
                yield name, "timm", IMAGENET, 112, "timm", of_timm(twin), ["pooled"]
            if size == "s":
                yield name, "timm", IMAGENET, 518, "transformers", of_transformers(f"dinov2{registers}", size, 14, 518, twin), ["pooled", "tokens"]
    for size, patch, word, name in [("b", 32, "base", "ViT-B-32"), ("b", 16, "base", "ViT-B-16"), ("l", 14, "large", "ViT-L-14")]:
        twin, own = f"vit_{word}_patch{patch}_clip_224", f"clip_vit{size}{patch}"
        yield own, "openai", CLIP, 224, "transformers", of_transformers("clip", size, patch, 224, twin, True), ["projected"]
        yield own, "open_clip", CLIP, 224, "open_clip", of_open_clip(name, twin, False), ["projected"]
        if size == "l":
            yield own, "open_clip", CLIP, 112, "timm", of_timm(twin, True, num_classes=768), ["pooled", "projected"]
        else:
            yield own, "openai", CLIP, 224, "open_clip", of_open_clip(name, twin, True), ["projected"]
            yield own, "open_clip", CLIP, 320 if patch == 32 else 160, "timm", of_timm(twin, True, num_classes=512), ["pooled", "tokens", "projected"]
    for own in ["siglip_b16", "siglip2_b16"]:
        yield own, "transformers", HALF, 224, "transformers", of_transformers("siglip", "b", 16, 224, "vit_base_patch16_siglip_224"), ["pooled", "tokens"]
        yield own, "timm", HALF, 160, "timm", of_timm("vit_base_patch16_siglip_224"), ["pooled", "projected"]


def record(backbone, numerics, size, publisher, tap, x):
    flat = x.reshape(2, -1).numpy()
    spread = spread_of(flat)
    print(f"{publisher} {backbone} {numerics} {size} {tap}: {spread}", flush=True)
    # An odd stride, so that all channels of a map are sampled.
    stride = max(1, flat.shape[1] // 48) | 1
    return {
        "backbone": backbone, "numerics": numerics, "imageSize": size, "tap": tap, "publisher": publisher,
        "largest": float(np.abs(flat).max()), "stride": stride, "featureSize": flat.shape[1],
        "features": [[float(f"{v:.7g}") for v in row[::stride]] for row in flat],
    }


def goldens(pattern):
    """All of them, or those of matching backbones; the others are kept."""
    path = TARGET / "encoders.json"
    result = json.loads(path.read_text())["goldens"] if path.exists() else []
    versions = {"timm": timm.__version__, "torchvision": torchvision.__version__, "transformers": transformers.__version__, "open_clip": open_clip.__version__}
    for backbone, numerics, convention, size, publisher, make, taps in cases():
        same = lambda g: (g["backbone"], g["numerics"], g["imageSize"], g["publisher"]) == (backbone, numerics, size, publisher)
        if not (re.search(pattern, backbone) if pattern else not any(map(same, result))):
            continue
        with torch.inference_mode():
            outputs = make(size)(pictures(size, convention))
        result = [g for g in result if not same(g)] + [record(backbone, numerics, size, publisher, tap, outputs[tap]) for tap in taps]
        path.write_text(json.dumps({"versions": versions, "goldens": result}, separators=(",", ":")))


if __name__ == "__main__":
    torch.set_num_threads(2)
    goldens(sys.argv[1] if len(sys.argv) > 1 else None)
