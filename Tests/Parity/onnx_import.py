"""Compares features of imported ONNX files with onnxruntime's.

Exports each model with both of PyTorch's exporters, extracts features of generated images with `backbone: onnx`, and prints the
largest difference relative to the largest feature. --speed also prints frames per second against onnxruntime and OpenVINO.

    python onnx_import.py [--binary .build/release] [--networks NAME …] [--speed]
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import warnings

import numpy
import onnxruntime
import timm
import torch
import torchvision

from onnx_export import pictures, save

FRAMES = 8
# Models that are no built-in backbones, then some that are.
OTHERS = [
    "regnety_002", "mobilenetv4_conv_small", "repvgg_a0", "densenet121", "resnext50_32x4d", "tv.googlenet", "tv.squeezenet1_1",
    "tv.shufflenet_v2_x1_0", "mobilenetv2_100", "mnasnet_100", "ghostnet_100", "dla34", "cspresnet50", "xception41", "tv.alexnet",
    "deit_tiny_patch16_224", "poolformer_s12", "efficientformer_l1", "swin_tiny_patch4_window7_224", "hrnet_w18_small",
    "mixnet_s", "fbnetc_100", "vovnet39a", "res2net50_26w_4s", "convmixer_768_32", "mixer_s32_224",
]
OWN = {"resnet18": "resnet18", "efficientnet_b0": "efficientnet_b0", "convnext_tiny": "convnext_tiny", "vit_small_patch16_224": "vit_small_16"}


def network(name):
    torch.manual_seed(1)
    if name.startswith("tv."):
        options = {"aux_logits": False, "init_weights": True} if name == "tv.googlenet" else {}
        model = getattr(torchvision.models, name[3:])(weights=None, **options)
    else:
        model = timm.create_model(name, pretrained=False, num_classes=0)
    # Batch statistics of a trained model are not 0 and 1.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
        if isinstance(module, torch.nn.LayerNorm):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    return model.eval()


def export(name, path, size, dynamo):
    model = network(name)
    options = {"dynamic_axes": {"input": {0: "batch"}}} if not dynamo else {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(2, 3, size, size),), path, input_names=["input"], output_names=["output"], dynamo=dynamo,
            opset_version=18 if dynamo else 17, **options, **({"verbose": False} if dynamo else {}))


def extract(binary, work, path, size, precision="f32", backbone="onnx"):
    with open(work + "/p.yaml", "w") as file:
        json.dump({
            "dataset": {"root": work + "/data"},
            "extract": {
                "backbone": backbone, "weights": path, "input": "imagenet", "precision": precision, "image_size": size,
                "sampling": {"policy": "uniform", "frames": FRAMES}}}, file)
    cache = work + "/c.sqlite"
    if os.path.exists(cache):
        os.remove(cache)
    done = subprocess.run([binary + "/zoetrope", "extract", work + "/p.yaml", "--cache", cache], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stdout + done.stderr).strip()[-400:])
    blob = sqlite3.connect(cache).execute("SELECT features FROM sequence").fetchone()[0]
    return numpy.frombuffer(blob, "<f4").reshape(FRAMES, -1)


def speed(run, batch, seconds=4):
    run()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        run()
        done += batch
    return done / (time.perf_counter() - begin)


def measured(binary, path, size):
    """Frames per second: ours, onnxruntime, OpenVINO; alternating, medians of three."""
    import openvino

    batch = 10
    x = numpy.random.default_rng(1).standard_normal((batch, 3, size, size)).astype("f")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(path, options)
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def ours():
        out = subprocess.run(
            [binary + "/Benchmarks", path, "f32", str(os.cpu_count()), str(batch), "4"], capture_output=True, text=True, check=True)
        return json.loads(out.stdout.strip().splitlines()[-1])["frames_per_second"]

    rounds = [
        (ours(), speed(lambda: session.run(None, {"input": x}), batch), speed(lambda: compiled([x]), batch)) for _ in range(3)]
    return numpy.median(numpy.array(rounds), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=".build/release")
    parser.add_argument("--networks", nargs="+", default=OTHERS + list(OWN))
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--precisions", action="store_true", help="also in bf16 and int8")
    parser.add_argument("--keep", help="folder for the exported files")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    onnxruntime.set_default_logger_severity(3)
    work = tempfile.mkdtemp()
    for name in options.networks:
        size = 224
        shutil.rmtree(work + "/data", ignore_errors=True)
        frames = pictures(3, FRAMES, size)
        save(work + "/data/a/clip", frames)
        mean, deviation = numpy.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], "f")
        x = ((numpy.stack(frames).astype("f") / 255 - mean) / deviation).transpose(0, 3, 1, 2)
        for dynamo in (False, True):
            folder = options.keep or work
            path = f"{folder}/{name}-{'dynamo' if dynamo else 'script'}.onnx"
            try:
                if not os.path.exists(path):
                    export(name, path, size, dynamo)
            except Exception as error:  # that exporter does not support the model
                print(f"{name:28} {'dynamo' if dynamo else 'script'}  not exported: {str(error).strip().splitlines()[0][:100]}", flush=True)
                continue
            expected = onnxruntime.InferenceSession(path).run(None, {"input": numpy.ascontiguousarray(x)})[0].reshape(FRAMES, -1)
            try:
                own = extract(binary, work, path, size)
                error = numpy.abs(own - expected).max() / numpy.abs(expected).max()
                rates = " ".join(f"{rate:.1f}" for rate in measured(binary, path, size)) if options.speed and not dynamo else ""
                if name in OWN:
                    torch.save(network(name).state_dict(), work + "/w.pth")
                    same = extract(binary, work, work + "/w.pth", size, backbone=OWN[name])
                    rates += f" own backbone {numpy.abs(own - same).max() / numpy.abs(same).max():.1e}"
                if options.precisions:
                    for precision in ("bf16", "int8"):
                        rough = extract(binary, work, path, size, precision)
                        cosines = (rough * own).sum(1) / numpy.linalg.norm(rough, axis=1) / numpy.linalg.norm(own, axis=1)
                        rates += f" {precision} cosine {cosines.mean():.4f}"
                print(f"{name:28} {'dynamo' if dynamo else 'script'}  {error:.1e}  {rates}", flush=True)
            except RuntimeError as error:
                print(f"{name:28} {'dynamo' if dynamo else 'script'}  {error}", flush=True)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
