"""The newer encoders with generated parameters, as their publishers build them. Names of parameters are timm's.

`fill` generates values like the initialisers in `Backbones`; `PEERS` maps tensor names to each publisher's.
"""

import re

import numpy as np

from parameters import around


def fill(shapes):
    """name → values, for names of timm's."""
    return {name: value(name, tuple(shape), shapes) for name, shape in shapes.items()}


def value(name, shape, shapes):
    module, _, leaf = name.rpartition(".")
    weight = tuple(shapes.get(module + ".weight", shape))
    fan = int(np.prod(weight[1:])) if len(weight) > 1 else 0
    if leaf == "running_mean":
        return around(name, shape, 0, 0.1)
    if leaf == "running_var":
        return around(name, shape, 1, 0.3)
    if leaf == "gamma":
        return around(name, shape, 0.5, 0.3)
    if leaf in ("cls_token", "reg_token", "pos_embed"):
        return around(name, shape, 0, 0.1)
    if leaf == "latent":
        return around(name, shape, 0, 1)
    if module.endswith(".grn"):
        return around(name, shape, 0, 0.5 if leaf == "weight" else 0.1)
    if leaf == "weight" and len(shape) == 4 and "se" not in module.split("."):
        return around(name, shape, 0, np.sqrt(6 / fan))
    if fan:
        return around(name, shape, 0, 1 / np.sqrt(fan))
    if leaf == "bias":
        return around(name, shape, 0, 0.1)
    if module + ".running_mean" in shapes:
        scale = block_scale(module, shapes)
        return around(name, shape, scale, np.float32(scale) / np.float32(5))
    return around(name, shape, 1, 0.2)


def block_scale(module, shapes):
    """Batch normalisations that end a block: small in residual branches, larger behind an excitation."""
    match = re.fullmatch(r"(blocks\.\d+\.\d+)\.bn(\d)", module)
    if not match:
        return 1
    has = lambda part: f"{match[1]}.{part}.weight" in shapes
    size = lambda part, axis: shapes[f"{match[1]}.{part}.weight"][axis]
    if has("conv_pwl"):
        first, last, place = ("conv_pw", "conv_pwl", 3) if has("conv_dw") else ("conv_exp", "conv_pwl", 2)
        inputs, outputs = size(first, 1), size(last, 0)
    elif has("conv_dw"):
        inputs, outputs, place = size("conv_dw", 0), size("conv_pw", 0), 2
    else:
        inputs, outputs, place = size("conv", 1), size("conv", 0), 1
    if int(match[2]) != place:
        return 1
    return 0.2 if inputs == outputs else 1.5 if has("se.conv_reduce") else 1


# Each function: a publisher's state dict → how its tensors are built from ours.


def timm_names(own):
    """`head.bias` of a projection is not used here: zeros."""
    return {name: name for name in own if not name.endswith("num_batches_tracked")}


def torchvision_vit(own):
    parts = {"ln_1": "norm1", "self_attention.in_proj_": "attn.qkv.", "self_attention.out_proj": "attn.proj", "ln_2": "norm2", "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2"}
    ends = {"class_token": "cls_token", "encoder.pos_embedding": "pos_embed", "conv_proj.": "patch_embed.proj.", "encoder.ln.": "norm.", "heads.head.": "head."}
    return {name: replaced(re.sub(r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1.", name), parts, ends) for name in own}


def replaced(name, parts, ends):
    for old, new in ends.items():
        if name.startswith(old):
            return new + name[len(old):]
    match = re.match(r"(blocks\.\d+\.)(.+)", name)
    if match:
        for old, new in parts.items():
            if match[2].startswith(old):
                return match[1] + new + match[2][len(old):]
    return name


def torchvision_convnext(own):
    result = {}
    for name in own:
        m = re.fullmatch(r"features\.(\d)\.(\d+)\.(block\.(\d)\.(\w+)|layer_scale)", name)
        if m:
            stage = f"stages.{(int(m[1]) - 1) // 2}.blocks.{m[2]}."
            part = {"0": "conv_dw", "2": "norm", "3": "mlp.fc1", "5": "mlp.fc2"}
            result[name] = stage + (f"{part[m[4]]}.{m[5]}" if m[4] else "gamma")
        else:
            n = re.sub(r"^features\.0\.", "stem.", name)
            n = re.sub(r"^features\.(\d)\.", lambda m: f"stages.{int(m[1]) // 2}.downsample.", n)
            result[name] = n.replace("classifier.0", "head.norm").replace("classifier.2", "head.fc")
    return result


INVERTED = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2.fc1": "se.conv_reduce", "2.fc2": "se.conv_expand", "3.0": "conv_pwl", "3.1": "bn3"}


def torchvision_efficientnetv2(own):
    last = max(int(name.split(".")[1]) for name in own if name.startswith("features."))
    result = {}
    for name in tracked(own):
        module, leaf = name.rsplit(".", 1)
        ends = {"features.0.0": "conv_stem", "features.0.1": "bn1", f"features.{last}.0": "conv_head", f"features.{last}.1": "bn2", "classifier.1": "classifier"}
        if module in ends:
            result[name] = f"{ends[module]}.{leaf}"
            continue
        stage, block, part = re.fullmatch(r"features\.(\d)\.(\d+)\.block\.(.+)", module).groups()
        fused = {"0.0": "conv_exp", "0.1": "bn1", "1.0": "conv_pwl", "1.1": "bn2"}
        parts = {"0.0": "conv", "0.1": "bn1"} if stage == "1" else fused if int(stage) < 4 else INVERTED
        result[name] = f"blocks.{int(stage) - 1}.{block}.{parts[part]}.{leaf}"
    return result


def torchvision_mobilenetv3(own):
    places = [(s, b) for s, count in enumerate([1, 2, 3, 4, 2, 3]) for b in range(count)]
    ends = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.16.0": "blocks.6.0.conv", "features.16.1": "blocks.6.0.bn1", "classifier.0": "conv_head", "classifier.3": "classifier"}
    result = {}
    for name in tracked(own):
        module, leaf = name.rsplit(".", 1)
        if module in ends:
            result[name] = f"{ends[module]}.{leaf}"
            continue
        number, part = re.fullmatch(r"features\.(\d+)\.block\.(.+)", module).groups()
        parts = {**INVERTED, "2.0": "conv_pwl", "2.1": "bn3"}
        if number == "1":
            parts = {"0.0": "conv_dw", "0.1": "bn1", "1.0": "conv_pw", "1.1": "bn2"}
        result[name] = "blocks.{}.{}.".format(*places[int(number) - 1]) + f"{parts[part]}.{leaf}"
    return result


def tracked(own):
    return [name for name in own if not name.endswith("num_batches_tracked")]


def open_clip_names(own):
    parts = {"ln_1": "norm1", "attn.in_proj_": "attn.qkv.", "attn.out_proj": "attn.proj", "ln_2": "norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    ends = {"class_embedding": "cls_token", "positional_embedding": "pos_embed", "conv1.": "patch_embed.proj.", "ln_pre.": "norm_pre.", "ln_post.": "norm.", "proj": ("head.weight", "transposed")}
    result = {}
    for name in own:
        if name.startswith("visual."):
            n = re.sub(r"^transformer\.resblocks\.(\d+)\.", r"blocks.\1.", name[len("visual."):])
            result[name] = ends["proj"] if n == "proj" else replaced(n, parts, {k: v for k, v in ends.items() if k != "proj"})
    return result


def transformers_tower(own):
    parts = {"layer_norm1": "norm1", "self_attn.out_proj": "attn.proj", "layer_norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    ends = {"embeddings.class_embedding": "cls_token", "embeddings.position_embedding.weight": "pos_embed", "embeddings.patch_embedding.": "patch_embed.proj.",
            "pre_layrnorm.": "norm_pre.", "post_layernorm.": "norm.", "visual_projection.": "head.", "head.probe": "attn_pool.latent",
            "head.attention.out_proj.": "attn_pool.proj.", "head.layernorm.": "attn_pool.norm.", "head.mlp.": "attn_pool.mlp."}
    result = {}
    for name in own:
        n = name.removeprefix("vision_model.")
        qkv = re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", n)
        if qkv:
            result[name] = (f"blocks.{qkv[1]}.attn.qkv.{qkv[3]}", "qkv".index(qkv[2]))
        elif n.startswith("head.attention.in_proj_"):
            leaf = n.removeprefix("head.attention.in_proj_")
            result[name] = ((f"attn_pool.q.{leaf}", f"attn_pool.kv.{leaf}"), "joined")
        else:
            result[name] = replaced(re.sub(r"^encoder\.layers\.(\d+)\.", r"blocks.\1.", n), parts, ends)
    return result


def transformers_dino(own):
    parts = {"norm1": "norm1", "attention.output.dense": "attn.proj", "attention.o_proj": "attn.proj", "layer_scale1.lambda1": "ls1.gamma", "layer_scale2.lambda1": "ls2.gamma", "norm2": "norm2", "mlp": "mlp"}
    ends = {"embeddings.patch_embeddings.projection.": "patch_embed.proj.", "layernorm.": "norm.", "embeddings.register_tokens": "reg_token"}
    has_registers = "embeddings.register_tokens" in own
    result = {}
    for name in own:
        # Files use the former names, models in memory the latter.
        qkv = re.fullmatch(r"encoder\.layer\.(\d+)\.attention\.(?:attention\.(?:query|key|value)|[qkv]_proj)\.(\w+)", name)
        if qkv:
            part = name.removesuffix("." + qkv[2]).split(".")[-1][0]
            result[name] = (f"blocks.{qkv[1]}.attn.qkv.{qkv[2]}", "qkv".index(part))
        elif name == "embeddings.cls_token":
            result[name] = "cls_token"
        elif name == "embeddings.position_embeddings":
            result[name] = ("pos_embed", "class first") if has_registers else "pos_embed"
        elif name != "embeddings.mask_token":
            result[name] = replaced(re.sub(r"^encoder\.layer\.(\d+)\.", r"blocks.\1.", name), parts, ends)
    return result


def load(model, names, ours):
    """Loads our values into a publisher's model. `ours`: shapes of our tensors."""
    import torch

    values = fill(ours)
    state = model.state_dict()
    for name, source in names(list(state)).items():
        how = None
        if isinstance(source, tuple):
            source, how = source
        if isinstance(source, str) and source not in values:
            assert source.endswith("head.bias"), f"{name} ← {source}"
            state[name] = torch.zeros_like(state[name])
            continue
        if how == "joined":
            value = np.concatenate([values[s] for s in source])
        else:
            value = values[source]
        if how == "transposed":
            value = value.T
        elif how == "class first":  # position embeddings here, none for the class token
            value = np.concatenate([np.zeros_like(value[:, :1]), value], 1)
        elif isinstance(how, int):
            value = np.split(value, 3)[how]
        state[name] = torch.from_numpy(np.ascontiguousarray(value)).reshape(state[name].shape)
    model.load_state_dict(state)
    return model.eval()


def shapes_of_timm(model, projects=False):
    """Our names and shapes, from timm's model of the same architecture."""
    state = model.state_dict()
    return {k: tuple(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked") and not (projects and k == "head.bias")}
