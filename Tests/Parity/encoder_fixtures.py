"""Publishers' tensor names of the newer encoders → BackbonesTests/Fixtures/names.json, and small files written by
their libraries → BackbonesTests/Fixtures/peers/, with the expected tensors in peers/ours.bin.

    python encoder_fixtures.py              # timm, torch, torchvision, transformers, open_clip_torch, safetensors, numpy
"""

import json
import pathlib
import shutil
import tempfile
import warnings
import zipfile

warnings.filterwarnings("ignore")

import open_clip
import safetensors.torch
import timm
import torch
import torchvision
import transformers
from timm.models.vision_transformer import VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig

import encoders

TARGET = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures"


def saved(model):
    """The tensors of a transformers weight file; its models in memory have other names."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return safetensors.torch.load_file(f"{folder}/model.safetensors")


def base(depth=12, **more):
    return dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=depth, num_attention_heads=12, **more)


def names():
    """Complete models, by backbone and publisher."""
    text = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=9, bos_token_id=0, eos_token_id=1)
    small = dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, patch_size=14, image_size=518)
    yield "vit_base_32", torchvision.models.vit_b_32(weights=None).state_dict()
    yield "convnext_tiny", torchvision.models.convnext_tiny(weights=None).state_dict()
    yield "efficientnetv2_s", torchvision.models.efficientnet_v2_s(weights=None).state_dict()
    yield "efficientnetv2_l", torchvision.models.efficientnet_v2_l(weights=None).state_dict()
    yield "mobilenetv3_large", torchvision.models.mobilenet_v3_large(weights=None).state_dict()
    yield "clip_vitb32", open_clip.create_model("ViT-B-32", pretrained=None).state_dict()
    yield "siglip_b16", open_clip.create_model("ViT-B-16-SigLIP", pretrained=None).state_dict()
    clip = transformers.CLIPConfig(text_config=text, vision_config=base(patch_size=16, image_size=224), projection_dim=512)
    yield "clip_vitb16", saved(transformers.CLIPModel(clip))
    yield "clip_vitb32", saved(transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**base(patch_size=32, image_size=224))))
    yield "siglip_b16", saved(transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=base(patch_size=16, image_size=224))))
    yield "siglip_b16", saved(transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**base(patch_size=16, image_size=224))))
    dino = transformers.Dinov2Model(transformers.Dinov2Config(**small))
    yield "dinov2_vits14", saved(dino)
    yield "dinov2_vits14", dino.state_dict()
    yield "dinov2_vits14_reg", saved(transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**small, num_register_tokens=4)))
    # Meta's files: timm's names, a mask token, register tokens and different position embeddings.
    meta = dict(timm.create_model("vit_small_patch14_dinov2", pretrained=False).state_dict(), mask_token=torch.zeros(1, 384))
    yield "dinov2_vits14", meta
    yield "dinov2_vits14_reg", dict(meta, register_tokens=torch.zeros(1, 4, 384))


def ours(model, projects=False):
    return {name: torch.from_numpy(value) for name, value in encoders.fill(encoders.shapes_of_timm(model, projects)).items()}


def tiny(**options):
    options = {"img_size": 32, "patch_size": 16, "embed_dim": 8, "depth": 1, "num_heads": 2, "num_classes": 0} | options
    return VisionTransformer(**options)


def peers(folder):
    """Small files, and our tensors of each: name → tensors."""
    small = dict(hidden_size=8, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, patch_size=16, image_size=32)
    result = {}

    def of(name, twin, model, how, projects=False):
        encoders.load(model, how, encoders.shapes_of_timm(twin, projects))
        result[name] = ours(twin, projects)
        return model

    clip = tiny(pre_norm=True, num_classes=6)
    model = of("clip", clip, transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**small, projection_dim=6)), encoders.transformers_tower, True)
    safetensors.torch.save_file(saved(model), folder / "clip.bin")
    model.save_pretrained(folder / "sharded", max_shard_size="3KB")
    siglip = tiny(class_token=False, global_pool="map")
    model = of("siglip", siglip, transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**small)), encoders.transformers_tower)
    # In half precision, like many files on hubs.
    safetensors.torch.save_file({k: v.half() for k, v in saved(model).items()}, folder / "siglip.bin")
    result["siglip"] = {k: v.half().float() for k, v in result["siglip"].items()}
    registers = tiny(reg_tokens=4, no_embed_class=True, init_values=1)
    dino = {k: v for k, v in small.items() if k != "intermediate_size"}
    model = of("dinov2_reg", registers, transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**dino, num_register_tokens=4)), encoders.transformers_dino)
    safetensors.torch.save_file(saved(model), folder / "dinov2_reg.bin")
    vision = open_clip.CLIPVisionCfg(layers=1, width=8, head_width=4, patch_size=16, image_size=32)
    model = open_clip.model.CLIP(6, vision, open_clip.CLIPTextCfg(context_length=4, vocab_size=9, width=8, heads=2, layers=1))
    torch.save(of("open_clip", clip, model, encoders.open_clip_names, True).state_dict(), folder / "open_clip.bin")
    model = torchvision.models.VisionTransformer(32, 16, 1, 2, 8, 32, num_classes=3)
    torch.save(of("torchvision_vit", tiny(num_classes=3), model, encoders.torchvision_vit).state_dict(), folder / "torchvision_vit.bin")
    model = torchvision.models.ConvNeXt([CNBlockConfig(4, 4, 1), CNBlockConfig(4, 4, 1), CNBlockConfig(4, 8, 1), CNBlockConfig(8, None, 1)], num_classes=3)
    twin = timm.models.convnext.ConvNeXt(num_classes=3, depths=(1, 1, 1, 1), dims=(4, 4, 4, 8))
    torch.save(of("torchvision_convnext", twin, model, encoders.torchvision_convnext).state_dict(), folder / "torchvision_convnext.bin")
    settings = [FusedMBConvConfig(1, 3, 1, 8, 8, 1), FusedMBConvConfig(4, 3, 2, 8, 8, 1), FusedMBConvConfig(4, 3, 2, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 8, 1)]
    model = torchvision.models.efficientnet.EfficientNet(settings, 0.1, num_classes=3, last_channel=8)
    arch = [["cn_r1_k3_s1_e1_c8_skip"], ["er_r1_k3_s2_e4_c8"], ["er_r1_k3_s2_e4_c8"], ["ir_r1_k3_s2_e4_c8_se0.25"]]
    blocks = timm.models._efficientnet_builder.decode_arch_def(arch)
    twin = timm.models.efficientnet.EfficientNet(blocks, num_classes=3, num_features=8, stem_size=8, act_layer=torch.nn.SiLU)
    torch.save(of("torchvision_efficientnetv2", twin, model, encoders.torchvision_efficientnetv2).state_dict(), folder / "torchvision_efficientnetv2.bin")
    # A wheel that contains a file of the old format.
    with tempfile.TemporaryDirectory() as scratch:
        torch.save({"fc.weight": torch.arange(6.0).reshape(2, 3)}, f"{scratch}/m.pth", _use_new_zipfile_serialization=False)
        with zipfile.ZipFile(folder / "wheel.bin", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.write(f"{scratch}/m.pth", "package/models/m-00000000.pth")
            wheel.writestr("package/__init__.py", "")
    return {f"{peer}/{name}": tensor.contiguous() for peer, tensors in result.items() for name, tensor in tensors.items()}


if __name__ == "__main__":
    listed = []
    for backbone, state in names():
        listed.append({"backbone": backbone, "names": {k: list(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}})
    (TARGET / "names.json").write_text(json.dumps(listed, separators=(",", ":")))
    folder = TARGET / "peers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    safetensors.torch.save_file(peers(folder), folder / "ours.bin")
    for file in folder.rglob("*.*"):
        file.chmod(0o644)
    print(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()), (TARGET / "names.json").stat().st_size)
