"""timm's metadata of published weights for architectures that have a backbone here: input and arithmetic.

    python Tests/Parity/timm_conventions.py Tests/BackbonesTests/Fixtures/timm_conventions.json
"""

import json
import re
import sys

from timm.models import get_pretrained_cfg, list_pretrained


def backbone(architecture: str) -> str | None:
    """The backbone with this architecture's tensors; other image sizes of transformers have other position embeddings."""
    rules = [
        (r"(?:tf_)?efficientnet_(b[0-7]|lite[0-4])", "efficientnet_{0}"),
        (r"(?:tf_)?efficientnetv2_([sml])", "efficientnetv2_{0}"),
        (r"(?:tf_)?mobilenetv3_large_100", "mobilenetv3_large"),
        (r"resnet(18|34|50|101|152)", "resnet{0}"),
        (r"inception_v3", "inceptionv3"),
        (r"vgg16", "vgg16"),
        (r"convnext_(tiny|small|base|large)", "convnext_{0}"),
        (r"convnextv2_(tiny|base|large)", "convnextv2_{0}"),
        (r"(?:vit|deit)_(tiny|small|base|large)_patch(16|32)_224", "vit_{0}_{1}"),
        (r"vit_(s|b|l)(?:mall|ase|arge)_patch14_dinov2", "dinov2_vit{0}14"),
        (r"vit_(s|b|l)(?:mall|ase|arge)_patch14_reg4_dinov2", "dinov2_vit{0}14_reg"),
        (r"vit_(b|l)(?:ase|arge)_patch(32|16|14)_clip(?:_quickgelu)?_224", "clip_vit{0}{1}"),
        (r"vit_base_patch16_siglip_224", "siglip_b16"),
    ]
    for pattern, name in rules:
        if match := re.fullmatch(pattern, architecture):
            return name.format(*match.groups())
    return None


def numerics(architecture: str, tag: str, notes: tuple) -> str | None:
    """The publisher's arithmetic, for backbones with several."""
    if architecture.startswith("tf_"):
        return "keras"
    if architecture.startswith(("efficientnet", "mobilenet")) or "siglip" in architecture:
        return "timm"
    if "_clip_" in architecture:
        # timm has no quick variant of ViT-B/16 for DFN's weights, which open_clip runs with it.
        quick = "quickgelu" in architecture or any("QuickGELU" in note for note in notes or ()) or tag == "dfn2b"
        return "openai" if quick else "open_clip"
    return None


def main() -> None:
    rows = []
    for name in list_pretrained():
        architecture, _, tag = name.partition(".")
        own = backbone(architecture)
        # Names of weights for other sizes end with the size.
        if own is None or own == "clip_vitl16" or re.search(r"_(320|384)$", tag) and architecture.startswith("vit"):
            continue
        configuration = get_pretrained_cfg(name)
        rows.append({
            "backbone": own, "architecture": architecture, "tag": tag, "mean": configuration.mean,
            "std": configuration.std, "interpolation": configuration.interpolation,
            "notes": list(configuration.notes or ()),
            "numerics": numerics(architecture, tag, configuration.notes),
        })
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, sort_keys=True) for row in rows) + "\n]\n")
    print(len(rows), "published files")


main()
