"""Writes weight files like typical training scripts, and checks that Zoetrope reads them as PyTorch does.

    python checkpoints.py FOLDER                             # torch, torchvision, timm: writes files, features of an image
    python checkpoints.py FOLDER --keras                     # keras: the same for its files
    python checkpoints.py FOLDER --check path/to/zoetrope    # numpy, torch: extracts with each, prints a table

Each file either gives features within 1e-4 of its peer's or is rejected with a remedy, which is then applied.
"""

import argparse
import collections
import gzip
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys

import numpy as np

SIZE = 224
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def image(size):
    """Smooth colours with some noise, [size, size, 3]."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:size, 0:size] / size
    base = np.stack([x, y, 1 - x * y], -1) * 200 + random.uniform(0, 55, (size, size, 3))
    return base.astype(np.uint8)


class Registry(collections.OrderedDict):
    """A subclass as configuration libraries have it."""


def write(folder):
    import timm
    import torch
    import torchvision

    entries = {}

    def features(model, size=SIZE, mean=MEAN, deviation=DEVIATION):
        pixels = (image(size).astype(np.float32) / 255 - mean) / deviation
        with torch.inference_mode():
            return model(torch.from_numpy(pixels.transpose(2, 0, 1)[None])).flatten().double().tolist()

    def network(seed, build=torchvision.models.resnet18):
        torch.manual_seed(seed)
        model = build()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        return model.eval()

    def pooled(model):
        model = __import__("copy").deepcopy(model)
        model.fc = torch.nn.Identity()
        return features(model)

    def add(name, object, expected, backbone="resnet18", words=None, remedy=None, part=None, size=SIZE, input=None, **options):
        path = folder / name
        if callable(object) and not isinstance(object, torch.nn.Module):
            object(path)
        elif object is not None:
            torch.save(object, path, **options)
        entries[name + (f" ({part})" if part else "")] = dict(
            file=name, backbone=backbone, features=expected, words=words, remedy=remedy, part=part, size=size, input=input)

    def prefixed(prefix, state):
        return collections.OrderedDict((prefix + key, value) for key, value in state.items())

    a, b = network(1), network(2)
    first, second = pooled(a), pooled(b)
    state, other = a.state_dict(), b.state_dict()
    trunk = {k: v for k, v in state.items() if not k.startswith("fc.")}
    head = {"head.weight": torch.zeros(5, 512), "head.bias": torch.zeros(5)}
    namespace = argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/data"))

    add("plain.pth", state, first)
    add("legacy.pth", state, first, _use_new_zipfile_serialization=False)
    add("legacy_wrapped.pth", {"state_dict": state, "momentum": {0: torch.ones(3)}}, first, _use_new_zipfile_serialization=False)
    for protocol in (3, 4, 5):
        add(f"protocol{protocol}.pth", state, first, pickle_protocol=protocol)
    add("compiled.pth", prefixed("_orig_mod.", state), first)
    add("parallel.pth", prefixed("module.", state), first)
    add("parallel_twice.pth", prefixed("module._orig_mod.module.", state), first)
    add("net_prefix.pth", prefixed("net.", trunk) | head, first)
    add("backbone_prefix.pth", prefixed("backbone.", trunk) | head, first)
    add("encoder_prefix.pth", prefixed("encoder.", trunk) | head, first)
    add("resnet_prefix.pth", prefixed("resnet.", trunk) | head, first)
    add("model_backbone.pth", prefixed("model.backbone.", trunk) | prefixed("model.", head), first)
    add("anything.pth", prefixed("net_a.feature_extractor.cnn.", trunk), first)
    add("lightning.ckpt", {
        "epoch": 3, "global_step": 10, "pytorch-lightning_version": "2.0", "state_dict": prefixed("model.", state),
        "callbacks": {"ModelCheckpoint": {"best_model_path": pathlib.PurePosixPath("x"), "best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [torch.optim.Adam(a.parameters()).state_dict()], "hyper_parameters": {"args": namespace}}, first)
    optimizer = torch.optim.SGD(a.parameters(), 0.1, momentum=0.9)
    add("model_state_dict.pth", {
        "epoch": 1, "model_state_dict": state, "optimizer_state_dict": optimizer.state_dict(), "loss": torch.tensor(1.5)}, first)
    add("net_key.pth", {"net": prefixed("module.", state), "acc": 93.1, "epoch": 7}, first)
    add("weights_key.pth", {"weights": state}, first)
    add("shared.pth", {"best": state, "state_dict": state, "last": [state]}, first)
    add("parameters.pth", {key: torch.nn.Parameter(value) if value.is_floating_point() else value for key, value in state.items()}, first)
    moco = {"epoch": 200, "arch": "resnet18", "optimizer": optimizer.state_dict(), "state_dict": prefixed("module.encoder_q.", trunk)
            | prefixed("module.encoder_k.", {k: v for k, v in other.items() if not k.startswith("fc.")})
            | {"module.queue": torch.zeros(128, 64), "module.queue_ptr": torch.zeros(1).long(),
               "module.encoder_q.fc.0.weight": torch.zeros(512, 512), "module.encoder_q.fc.2.weight": torch.zeros(128, 512)}}
    add("moco.pth.tar", moco, first)
    add("moco.pth.tar", None, second, part="encoder_k")
    add("simclr.pth.tar", {"state_dict": prefixed("backbone.", trunk) | {
        "backbone.fc.0.weight": torch.zeros(512, 512), "backbone.fc.2.weight": torch.zeros(128, 512)}}, first)
    children = torch.nn.Sequential(*list(a.children())[:-1])
    add("simclr_children.pth", prefixed("encoder.", children.state_dict()), first)
    add("dino.pth", {"student": prefixed("module.backbone.", other), "teacher": prefixed("backbone.", state), "epoch": 3,
                     "args": namespace, "dino_loss": {"center": torch.zeros(1, 8)}}, first)
    add("dino.pth", None, second, part="student")
    add("ema.pth.tar", {"epoch": 3, "arch": "resnet18", "state_dict": other, "state_dict_ema": state, "version": 2,
                        "args": namespace, "metric": np.float64(71.5)}, first)
    add("ema.pth.tar", None, second, part="state_dict")
    named = {}
    for key, value in trunk.items():
        name = re.sub(r"(^|\.)conv(\d)\.", r"\1conv\2.conv.", key)
        name = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.bn.", name)
        named["backbone." + name.replace("downsample.0.", "downsample.conv.").replace("downsample.1.", "downsample.bn.")] = value
    add("mmaction.pth", {"meta": {"mmaction_version": "1.2"}, "state_dict": named | {"cls_head.fc_cls.weight": torch.zeros(4, 512)}}, first)
    kinds = {"device": torch.device("cpu"), "dtype": torch.float16, "set": {1, 2}, "counter": collections.Counter("abca"),
             "complex": 1 + 2j, "bytes": b"abc", "size": torch.Size([2, 3]), "ordered": collections.OrderedDict(a=1),
             "float8": torch.ones(4).to(torch.float8_e4m3fn), "complex tensor": torch.ones(2, dtype=torch.complex64),
             "uint16": torch.ones(3, dtype=torch.uint16), "default": collections.defaultdict(list), "frozen": frozenset([1]),
             "bytearray": bytearray(b"x"), "slice": [1, (2, None)], "big": 1 << 80, "nan": float("nan")}
    add("accepted.pth", {"state_dict": state} | kinds, first)
    add("foreign_objects.pth", {"state_dict": state, "args": namespace, "path": pathlib.PurePosixPath("a"), "best": np.float32(3),
                                "array": np.arange(3), "registry": Registry(x=1)}, first)
    add("registry.pth", Registry(state), first)
    flat = torch.cat([value.flatten() for value in state.values() if value.is_floating_point()])
    views, place = {}, 0
    for key, value in state.items():
        if value.is_floating_point():
            views[key] = flat[place:place + value.numel()].view(value.shape)
            place += value.numel()
    add("views.pth", views, first)
    add("views_legacy.pth", views, first, _use_new_zipfile_serialization=False)
    add("channels_last.pth", {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()}, first)
    add("double.pth", {k: v.double() if v.is_floating_point() else v for k, v in state.items()}, first)
    half = __import__("copy").deepcopy(a)
    half.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in state.items()})
    add("half.pth", {k: v.half() if v.is_floating_point() else v for k, v in state.items()}, pooled(half))
    eighth = __import__("copy").deepcopy(a)
    small = {k: (v.to(torch.float8_e4m3fn) if v.dim() == 4 else v) for k, v in state.items()}
    eighth.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in small.items()})
    add("float8.pth", small, pooled(eighth))

    import safetensors.torch
    add("prefixed.safetensors", lambda path: safetensors.torch.save_file(prefixed("model.encoder.", state), path), first)

    python = "python"
    add("module.pth", a, first, words="whole pickled module", remedy=python)
    add("module_in_dictionary.pth", {"model": a, "epoch": 3}, first, words="whole pickled module", remedy=python)
    add("script.pt", lambda path: torch.jit.script(a).save(path), first, words="TorchScript archive", remedy=python)
    add("resnet34.pth", network(3, torchvision.models.resnet34).state_dict(), None, words="resnet34")
    add("page.pth", lambda path: path.write_text("<!DOCTYPE html>\n<html><body>Sign in</body></html>"), None, words="an HTML page")
    add("pointer.pth", lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 46830571\n"), None, words="git lfs pull")
    add("packed.pth", lambda path: path.write_bytes(gzip.compress((folder / "plain.pth").read_bytes(), 1)), first,
        words="gzip-compressed", remedy="gunzip")
    add("cut.pth", lambda path: path.write_bytes((folder / "plain.pth").read_bytes()[:20_000_000]), None, words="cut-off")
    add("cut_legacy.pth", lambda path: path.write_bytes((folder / "legacy.pth").read_bytes()[:20_000_000]), None, words="cut off")
    add("cut.safetensors", lambda path: path.write_bytes((folder / "prefixed.safetensors").read_bytes()[:20_000_000]), None,
        words="claims bytes")
    add("empty.pth", lambda path: path.write_bytes(b""), None, words="an empty file")
    add("optimizer.pth", torch.optim.Adam(a.parameters()).state_dict(), None, words="no dictionary of tensors")

    for size in (224, 384):
        torch.manual_seed(5)
        large = timm.create_model("vit_tiny_patch16_384", num_classes=0).eval()
        torch.nn.init.normal_(large.pos_embed, std=0.5)
        if size == 384:
            torch.save(large.state_dict(), folder / "vit384.pth")
        model = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=size).eval()
        model.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(large.state_dict(), model))
        half_mean = np.float32([0.5, 0.5, 0.5])
        entries[f"vit384.pth at {size}"] = dict(
            file="vit384.pth", backbone="vit_tiny_16", features=features(model, size, half_mean, half_mean), words=None,
            remedy=None, part=None, size=size, input="symmetric")
    (folder / "expected.json").write_text(json.dumps(entries))
    print(len(entries), "checkpoints")


def write_keras(folder):
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    keras.utils.set_random_seed(3)
    base = keras.applications.EfficientNetB0(weights=None, include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
    random = np.random.default_rng(3)
    # Initial weights give features near 0: use larger kernels, and statistics other than 0 and 1.
    values = [
        random.uniform(0.5, 1.5, weight.shape) if weight.name == "moving_variance"
        else random.uniform(-0.1, 0.1, weight.shape) if weight.name in ("beta", "moving_mean")
        else weight.numpy() * (1.2 if "kernel" in weight.name else 1)
        for weight in base.weights]
    values = [value.astype(np.float32) for value in values]
    base.set_weights(values)
    keras.config.set_dtype_policy("float64")
    exact = keras.applications.EfficientNetB0(weights=None, include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
    exact.set_weights(values)
    expected = exact(image(SIZE)[None].astype(np.float64), training=False).numpy().flatten().tolist()
    keras.config.set_dtype_policy("float32")
    nested = keras.Sequential([keras.Input((SIZE, SIZE, 3)), base, keras.layers.Dense(5)])
    entries = {}

    def add(name, save, expected=expected):
        save(folder / name)
        entries[name] = dict(file=name, backbone="efficientnet_b0", features=expected, words=None, remedy=None, part=None, size=SIZE, input=None)

    add("application.keras", base.save)
    add("application.weights.h5", base.save_weights)
    add("nested.keras", nested.save)
    add("nested.h5", nested.save)
    add("nested.weights.h5", nested.save_weights)
    import zipfile

    def zipped(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "application.weights.h5", "weights/model.weights.h5")
    add("lone.zip", zipped)
    (folder / "expected_keras.json").write_text(json.dumps(entries))
    print(len(entries), "checkpoints of Keras")


def extract(program, folder, entry, weights):
    from PIL import Image

    size = entry["size"]
    frames = folder / f"frames{size}" / "a" / "clip"
    if not frames.exists():
        frames.mkdir(parents=True)
        Image.fromarray(image(size)).save(frames / "0.png")
    source = f"{{file: {weights}, part: {entry['part']}}}" if entry["part"] else weights
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(f"""name: checkpoints
dataset: {{layout: folders, root: {folder / f'frames{size}'}}}
extract:
  backbone: {entry['backbone']}
  weights: {source}
  image_size: {size}
  sampling: {{policy: first, frames: 1}}
{'  input: ' + entry['input'] if entry['input'] else ''}
sequence: {{model: {{kind: average}}, optimizer: {{kind: adam, learning_rate: 1e-3}}, epochs: 1}}
""")
    cache = folder / "features.sqlite"
    for file in folder.glob("features.sqlite*"):
        file.unlink()
    done = subprocess.run([program, "extract", pipeline, "--cache", cache], capture_output=True, text=True)
    text = (done.stdout + done.stderr).replace("\r", "\n")
    if done.returncode:
        return None, text
    with sqlite3.connect(cache) as connection:
        blob = connection.execute("SELECT features FROM sequence").fetchone()[0]
    return np.frombuffer(blob, np.float32), text


def remedied(folder, text, entry):
    """Applies the remedy of an error message, and returns the new file."""
    work = folder / "remedy"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    if entry["remedy"] == "gunzip":
        shutil.copy(folder / entry["file"], work / "FILE.gz")
        subprocess.run("gunzip --keep FILE.gz", shell=True, cwd=work, check=True)
        return work / "FILE"
    command = re.search(r"python3 -c '.*?'(?= |\.|$)", text.replace("\n", " ")).group()
    subprocess.run(command.replace("python3", sys.executable, 1), shell=True, cwd=work, check=True)
    return work / "state.pth"


def check(folder, program):
    program = pathlib.Path(program).resolve()
    entries = {}
    for file in ("expected.json", "expected_keras.json"):
        if (folder / file).exists():
            entries |= json.loads((folder / file).read_text())
    failed = 0
    for name, entry in entries.items():
        values, text = extract(program, folder, entry, folder / entry["file"])
        lines = [line for line in text.splitlines() if "note:" in line or "rror" in line or str(folder) in line]
        how = "read"
        if entry["words"]:
            assert_words = values is None and entry["words"] in text
            how = f"refused: {entry['words']}" if assert_words else "NOT REFUSED AS EXPECTED"
            if assert_words and entry["remedy"]:
                values, text = extract(program, folder, entry, remedied(folder, text, entry))
                how += ", remedy followed"
            elif assert_words:
                print(f"{name:32} {how}")
                continue
        if values is None or len(values) != len(entry["features"]):
            failed += 1
            print(f"{name:32} FAILED {how}\n{text[-800:]}")
            continue
        error = np.abs(values - np.array(entry["features"])).max()
        bound = 1e-4 * np.abs(entry["features"]).max()
        failed += not error <= bound
        print(f"{name:32} {error / bound * 1e-4:.1e} {'' if error <= bound else 'DIFFERS '}{how}")
        for line in lines:
            if "note:" in line:
                print("    " + line.strip()[:300])
    print(f"{len(entries)} cases, {failed} failed")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--keras", action="store_true")
    parser.add_argument("--check")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if options.check:
        sys.exit(1 if check(folder, options.check) else 0)
    write_keras(folder) if options.keras else write(folder)
