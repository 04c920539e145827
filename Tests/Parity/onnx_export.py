"""Compares exported runs in onnxruntime and OpenVINO with `zoetrope predict`.

Trains each head for an epoch on random features of each backbone, exports the runs, feeds the same images to all three,
padded and unpadded, and prints the largest difference of a probability. With `--task multilabel`, clips have two labels,
one, or none, and the thresholds in the metadata are compared too. Needs onnx, onnxruntime, openvino, opencv.

    python onnx_export.py [--binary .build/release/zoetrope] [--clips FOLDER] [--backbones NAME …] [--heads NAME …]
        [--task multilabel]
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import tempfile

import cv2
import numpy
import onnx
import onnxruntime
import openvino

SIZES = {
    "resnet18": 64, "efficientnet_b0": 64, "inceptionv3": 96, "efficientnet_lite0": 64, "efficientnetv2_s": 64,
    "mobilenetv3_large": 64, "convnext_tiny": 64, "convnextv2_tiny": 64, "vit_tiny_16": 64, "dinov2_vits14": 56,
    "dinov2_vits14_reg": 56, "clip_vitb32": 64, "siglip_b16": 64, "vgg16": 64, "small_cnn": 64, "resnet50": 64, "siglip2_b16": 64, "vit_base_32": 64,
}
HEADS = ["frame", "average", "max", "gru", "bigru", "lstm", "bilstm", "convlstm", "attention", "transformer"]
FRAMES = 8


def pictures(number, count, size):
    """Frames of a generated clip, different for each clip."""
    random = numpy.random.default_rng(number)
    ground = random.integers(0, 256, (size, size, 3)).astype("u1")
    frames = []
    for index in range(count):
        frame = ground.copy()
        place = (size * (index + 1) // (count + 2), size * (number % 5 + 1) // 7)
        cv2.circle(frame, place, size // 5, [int(v) for v in random.integers(0, 256, 3)], -1)
        frames.append(frame)
    return frames


def real(path, size):
    """Frames of a real clip, cropped and resized."""
    capture, frames = cv2.VideoCapture(path), []
    while len(frames) < 3 * FRAMES:
        there, frame = capture.read()
        if not there:
            break
        side = min(frame.shape[:2])
        top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
        frames.append(cv2.resize(frame[top : top + side, left : left + side], (size, size))[:, :, ::-1])
    return frames[::3][:FRAMES]


def save(folder, frames):
    os.makedirs(folder)
    for index, frame in enumerate(frames):
        cv2.imwrite(f"{folder}/{index:03}.png", frame[:, :, ::-1])


class Trial:
    def __init__(self, binary, work, task):
        self.binary, self.work, self.task = binary, work, task

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(" ".join(arguments) + "\n" + done.stdout + done.stderr)
        return done.stdout

    def pipeline(self, backbone, tap, size):
        path = f"{self.work}/p.yaml"
        dataset = {"root": self.work + "/data", "validation": 0.25}
        if self.task == "multilabel":
            dataset |= {"layout": "csv", "splits": self.work + "/list.csv", "task": self.task, "validation": 0.5}
        with open(path, "w") as file:
            json.dump({
                "dataset": dataset,
                "extract": {
                    "backbone": backbone, "weights": "random", "image_size": size, "tap": tap,
                    "sampling": {"policy": "uniform", "frames": FRAMES}},
                "sequence": {"epochs": 1, "seed": 1, "model": {"kind": "gru"}}}, file)
        return path

    def head(self, pipeline, kind):
        options = {"transformer": ["hidden=[16]", "heads=2"], "convlstm": ["hidden=[4]"]}
        if kind in ("gru", "bigru", "lstm", "bilstm"):
            options[kind] = ["hidden=[12,8]", "projection=16", "dense=8", "dropout=0.2"]
        if kind == "attention":
            options[kind] = ["hidden=[8]"]
        settings = ["kind=" + kind] + options.get(kind, [])
        name = f"run-{kind}"
        shutil.rmtree(f"{self.work}/runs/{name}", ignore_errors=True)
        self.run(
            "sequence", pipeline, "--cache", self.work + "/c.sqlite", "--runs", self.work + "/runs", "--name", name,
            *[part for setting in settings for part in ("--set", "sequence.model." + setting)])
        return f"{self.work}/runs/{name}"


def compare(trial, run, clips, parts):
    """Largest differences from `predict`: onnxruntime, OpenVINO, and the joined parts."""
    path = trial.work + "/model.onnx"
    trial.run("export", run, path)
    onnx.checker.check_model(path, full_check=True)
    onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True, data_prop=True)
    said = json.loads(trial.run("predict", run, *[folder for folder, _ in clips], "--json"))
    session = onnxruntime.InferenceSession(path)
    about = session.get_modelmeta().custom_metadata_map
    labels = json.loads(about["labels"])
    assert about["task"] == trial.task
    if trial.task == "multilabel":
        thresholds = {entry["label"]: entry["threshold"] for entry in said[0]["classes"]}
        assert json.loads(about["thresholds"]) == [thresholds[label] for label in labels]
    expected = numpy.array([
        [{entry["label"]: entry["probability"] for entry in one["classes"]}[label] for label in labels]
        for one in said])
    longest = max(len(frames) for _, frames in clips)
    batch = numpy.zeros((len(clips), longest, *clips[0][1][0].shape), "u1")
    mask = numpy.zeros((len(clips), longest), bool)
    # Values in padded rows must not matter.
    batch[:] = numpy.random.default_rng(1).integers(0, 256, batch.shape)
    for index, (_, frames) in enumerate(clips):
        batch[index, : len(frames)] = frames
        mask[index, : len(frames)] = True
    feed = {"frames": batch, "mask": mask}
    padded = session.run(None, feed)[0]
    alone = numpy.concatenate([
        session.run(None, {"frames": numpy.stack(frames)[None], "mask": numpy.ones((1, len(frames)), bool)})[0]
        for _, frames in clips])
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    other = compiled(feed)[0]
    errors = [numpy.abs(value - expected).max() for value in (padded, alone, other)]
    if parts:
        trial.run("export", run, trial.work + "/b.onnx", "--part", "backbone")
        trial.run("export", run, trial.work + "/h.onnx", "--part", "head")
        for part in "bh":
            onnx.checker.check_model(f"{trial.work}/{part}.onnx", full_check=True)
        features = onnxruntime.InferenceSession(trial.work + "/b.onnx").run(None, {"frames": batch})[0]
        joined = onnxruntime.InferenceSession(trial.work + "/h.onnx").run(None, {"features": features, "mask": mask})[0]
        errors.append(numpy.abs(joined - expected).max())
        trial.run("export", run, trial.work + "/half.onnx", "--precision", "f16")
        onnx.checker.check_model(trial.work + "/half.onnx", full_check=True)
        half = onnxruntime.InferenceSession(trial.work + "/half.onnx").run(None, feed)[0]
        sizes = [os.path.getsize(trial.work + name) for name in ("/half.onnx", "/model.onnx")]
        errors += [numpy.abs(half - expected).max(), sizes[0] / sizes[1]]
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=".build/release/zoetrope")
    parser.add_argument("--clips", help="folder of real clips")
    parser.add_argument("--backbones", nargs="+", default=list(SIZES))
    parser.add_argument("--heads", nargs="+", default=HEADS)
    parser.add_argument("--task", choices=["classification", "multilabel"], default="classification")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    worst = [0, 0]
    for backbone in options.backbones:
        size = SIZES[backbone]
        work = tempfile.mkdtemp()
        trial = Trial(os.path.abspath(options.binary), work, options.task)
        clips, rows = [], ["path,labels,split"]
        for number in range(12):
            folder = f"{work}/data/{'ab'[number % 2]}/clip{number}"
            frames = pictures(number, [FRAMES, 5, 3, 1][number // 2 % 4], size)
            save(folder, frames)
            clips.append((folder, frames))
            labels = [["jump", "run"], ["jump"], ["walk"], []][number % 4]
            rows.append(f"{'ab'[number % 2]}/clip{number},{'|'.join(labels)},train")
        with open(work + "/list.csv", "w") as file:
            file.write("\n".join(rows))
        for path in sorted(glob.glob(options.clips + "/*.[am][vp][i4]")) if options.clips else []:
            folder = f"{work}/real/{os.path.basename(path)}"
            frames = real(path, size)
            save(folder, frames)
            clips.append((folder, [numpy.ascontiguousarray(frame) for frame in frames]))
        taps = {"convlstm": "tokens" if "vit" in backbone or "clip" in backbone or "siglip" in backbone else "spatial"}
        for kind in options.heads:
            pipeline = trial.pipeline(backbone, taps.get(kind, "pooled"), size)
            trial.run("extract", pipeline, "--cache", work + "/c.sqlite")
            errors = compare(trial, trial.head(pipeline, kind), clips, parts=kind in ("frame", "gru"))
            worst = [max(worst[0], *errors[:2]), max(worst[1], errors[2])]
            print(f"{backbone:20} {kind:12}", " ".join(f"{error:.1e}" for error in errors), flush=True)
        shutil.rmtree(work)
    print(f"largest difference: onnxruntime {worst[0]:.1e}, OpenVINO {worst[1]:.1e}")


if __name__ == "__main__":
    main()
