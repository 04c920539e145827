"""Zoetrope on an NVIDIA GPU against PyTorch on the same GPU: features compared with the CPU's, backbones alone, clips to cache.

    make bench-device ARGS='--clips FOLDER'                 # with ZOETROPE_ONNXRUNTIME as the README says
    device.py --binary DIR --clips FOLDER [--parts parity,speed] [--networks ...] [--precisions ...] [--speeds ...]

FOLDER contains videos; the data set consists of copies that differ in a few bytes after the end. PyTorch computes with
channels last, compiled, with auto-tuned kernels. Its models are measured with the input already on the GPU
(`resident`) and, as Zoetrope's, from bytes in memory to features in memory (`bytes`). Prints one JSON object per line.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

import numpy

from models import NETWORKS, build

HERE = os.path.dirname(os.path.abspath(__file__))
CHOSEN = ["resnet152", "inceptionv3", "efficientnet_b7", "vit_base_16", "convnext_tiny"]
FRAMES = 20
BATCHES = {"efficientnet_b7": 32}


def show(**values):
    print(json.dumps(values), flush=True)


# MARK: PyTorch


class Peer:
    """A compiled network."""

    def __init__(self, name, precision, batch):
        import torch

        torch.backends.cudnn.benchmark = True
        # One compiled model per size, as fast as for that size alone.
        torch._dynamo.config.automatic_dynamic_shapes = False
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self.torch, self.batch, self.size = torch, batch, NETWORKS[name][2]
        self.type = {"f16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
        model = build(NETWORKS[name][0], exportable=False).to("cuda", self.type, memory_format=torch.channels_last)
        self.model = torch.compile(model)
        self.mean = torch.tensor([0.485, 0.456, 0.406], device="cuda").view(1, 3, 1, 1) * 255
        self.deviation = torch.tensor([0.229, 0.224, 0.225], device="cuda").view(1, 3, 1, 1) * 255

    def input(self, pictures):
        x = pictures.cuda(non_blocking=True).permute(0, 3, 1, 2)
        x = (x - self.mean) / self.deviation
        return x.to(self.type, memory_format=self.torch.channels_last)

    def pictures(self):
        shape = (self.batch, self.size, self.size, 3)
        return self.torch.randint(0, 255, shape, dtype=self.torch.uint8).pin_memory()

    def rate(self, body, seconds):
        for _ in range(3):
            body()
        self.torch.cuda.synchronize()
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for _ in range(4):
                body()
                done += self.batch
            self.torch.cuda.synchronize()
        return done / (time.perf_counter() - begin)

    def alone(self, seconds):
        with self.torch.inference_mode():
            pictures = self.pictures()
            x = self.input(pictures)
            resident = self.rate(lambda: self.model(x), seconds)
            host = self.rate(lambda: self.model(self.input(pictures)).float().cpu(), seconds)
        return {"resident": resident, "bytes": host}


def decoded(path):
    """The frames of one clip, in a separate worker."""
    import cv2

    from peers import sampled

    cv2.setNumThreads(1)
    return sampled(path, decoded.size)


def peer(name, precision, folder, seconds):
    """Compiles, reports that, waits for its turn, and measures the model alone; then one process per core decodes, the
    GPU processes batches of several clips, and features are written to one array on disk."""
    import multiprocessing

    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    decoded.size = NETWORKS[name][2]
    clips = sorted(os.path.join(root, file) for root, _, files in os.walk(folder) for file in files)
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        pool.map(decoded, clips[: 2 * os.cpu_count()])
        network = Peer(name, precision, BATCHES.get(name, 128))
        torch = network.torch
        with torch.inference_mode():
            for _ in range(3):
                network.model(network.input(network.pictures()))
            torch.cuda.synchronize()
            print("ready", flush=True)
            sys.stdin.readline()
            show(part="alone", program="pytorch", network=name, precision=precision, batch=network.batch,
                 **network.alone(seconds))
            begin = time.perf_counter()
            waiting, rows = [], []
            together = network.batch // FRAMES

            def run():
                pictures = numpy.zeros((network.batch, network.size, network.size, 3), "u1")
                pictures[: FRAMES * len(waiting)] = numpy.concatenate(waiting)
                features = network.model(network.input(torch.from_numpy(pictures).pin_memory()))
                rows.append(features[: FRAMES * len(waiting)].float().cpu().numpy())

            for pictures in pool.imap_unordered(decoded, clips):
                waiting.append(pictures)
                if len(waiting) == together:
                    run()
                    waiting = []
            if waiting:
                run()
            numpy.save(f"/tmp/peer-{name}.npy", numpy.concatenate(rows))
            seconds = time.perf_counter() - begin
    show(part="pipeline", program="pytorch", network=name, precision=precision, clips=len(clips), seconds=seconds,
         frames_per_second=FRAMES * len(clips) / seconds)


class Turn:
    """A peer that prepares concurrently with others, and measures on request."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--peer", *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ready(self):
        if self.process.stdout.readline().strip() != "ready":
            print(self.process.stderr.read()[-1500:], file=sys.stderr, flush=True)

    def run(self):
        output, errors = self.process.communicate("go\n")
        print(output.strip() or errors[-800:], flush=True)


# MARK: Zoetrope


def clips(source, folder, count):
    """Copies that differ in bytes after their end, which players ignore."""
    os.makedirs(folder + "/one", exist_ok=True)
    files = sorted(file for file in os.listdir(source) if file.endswith((".mp4", ".avi", ".mkv")))
    for number in range(count):
        file = files[number % len(files)]
        path = f"{folder}/one/{number:04}-{file}"
        shutil.copyfile(os.path.join(source, file), path)
        if number >= len(files):
            with open(path, "ab") as copy:
                copy.write(struct.pack(">I", 16) + b"free" + struct.pack(">Q", number))
    return folder


def extract(options, name, precision, device, folder, cache):
    pipeline = cache + ".yaml"
    with open(pipeline, "w") as file:
        file.write(
            f"dataset: {{root: {folder}}}\n"
            f"extract: {{backbone: {name}, weights: random, precision: {precision}, "
            f"sampling: {{policy: uniform, frames: {FRAMES}}}}}\n")
    command = [options.binary + "/zoetrope", "extract", pipeline, "--cache", cache, "--device", device]
    begin = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    return result, time.perf_counter() - begin


def features(cache):
    rows = sqlite3.connect(cache).execute(
        "SELECT v.path, s.features FROM sequence s JOIN video v ON v.id = s.video_id ORDER BY v.path")
    return numpy.concatenate([numpy.frombuffer(blob, "<f4") for _, blob in rows]).astype("f8")


def parity(options):
    folder = clips(options.clips, options.work + "/parity", len(os.listdir(options.clips)))
    # Only the features matter here: backbones share the GPU and the cores.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: agreement(options, name, folder), options.networks))


def agreement(options, name, folder):
    expected = None
    for device, precision in [("cpu", "f32")] + [("cuda", precision) for precision in options.precisions]:
        cache = f"{options.work}/{name}-{device}-{precision}.sqlite"
        result, seconds = extract(options, name, precision, device, folder, cache)
        if not os.path.exists(cache) or result.returncode not in (0, 3):
            show(part="parity", network=name, device=device, precision=precision, error=result.stderr[-600:])
            continue
        own = features(cache)
        if expected is None:
            expected = own
            show(part="parity", network=name, device=device, seconds=seconds)
            continue
        size = FEATURES[name]
        a, b = own.reshape(-1, size), expected.reshape(-1, size)
        cosine = (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)
        show(part="parity", network=name, precision=precision, seconds=seconds,
             error=float(abs(a - b).max() / abs(b).max()), mean_cosine=float(cosine.mean()),
             least_cosine=float(cosine.min()))


FEATURES = {
    "resnet152": 2048, "inceptionv3": 2048, "efficientnet_b7": 2560, "vit_base_16": 768, "convnext_tiny": 768}


def gpu_memory():
    """Mebibytes in use on the GPU."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True).stdout.split()[0])


def ours_alone(options, name, precision, batch):
    command = [options.binary + "/Benchmarks", "device", name, precision, str(batch), str(options.seconds)]
    before, most = gpu_memory(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            most = max(most, gpu_memory())
            time.sleep(0.2)
        output, errors = process.stdout.read().strip(), process.stderr.read()
    figures = json.loads(output.splitlines()[-1]) if process.returncode == 0 else {"network": name, "error": errors[-500:]}
    show(part="alone", program="zoetrope", batch=batch, gpu_mib=most - before, **figures)


def ours_pipeline(options, name, precision, folder):
    cache = f"{options.work}/{name}-{precision}-many.sqlite"
    result, seconds = extract(options, name, precision, "cuda", folder, cache)
    said = (result.stdout.strip().splitlines() or [result.stderr[-400:]])[0]
    show(part="pipeline", program="zoetrope", network=name, precision=precision, whole=seconds, said=said)


def speed(options, folder, turns):
    for turn in turns.values():
        turn.ready()
    for name, turn in turns.items():
        turn.run()
        for precision in options.speeds:
            ours_alone(options, name, precision, "own")
        ours_pipeline(options, name, "f16", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--clips")
    parser.add_argument("--work", default="/tmp/zoetrope-device")
    parser.add_argument("--parts", default="parity,speed", type=lambda text: text.split(","))
    parser.add_argument("--networks", default=CHOSEN, type=lambda text: text.split(","))
    parser.add_argument("--precisions", default=["f32", "tf32", "f16", "bf16"], type=lambda text: text.split(","))
    parser.add_argument("--speeds", default=["f16"], type=lambda text: text.split(","))
    parser.add_argument("--seconds", default=2.0, type=float)
    parser.add_argument("--count", default=240, type=int)
    parser.add_argument("--peer", nargs="+")
    options = parser.parse_args()
    if options.peer:
        name, precision, folder, seconds = options.peer
        return peer(name, precision, folder, float(seconds))
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)
    folder = clips(options.clips, options.work + "/many", options.count)
    # Compiling takes minutes; comparisons of features run meanwhile.
    turns = {}
    if "speed" in options.parts:
        turns = {name: Turn(name, "f16", folder, options.seconds) for name in options.networks}
    if "parity" in options.parts:
        parity(options)
    if "speed" in options.parts:
        speed(options, folder, turns)


if __name__ == "__main__":
    main()
