"""Video encoders against PyTorch and OpenVINO, alone and from clips to features, alternating; prints two tables.

    make bench-windows
    make bench-windows ARGS='--backbones r3d_18 --rounds 1'

Each measurement runs in a separate process and uses all cores. Clips are 320×240 MPEG-4 of 7 s. The peers decode each frame
once with OpenCV, and run a window as soon as its frames are decoded. Results are windows per second and ratios per round.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import warnings

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
# Frames per window and image size.
NETWORKS = {"r3d_18": (16, 112), "mc3_18": (16, 112), "r2plus1d_18": (16, 112), "s3d": (64, 224), "i3d_rgb": (64, 224)}
RATE = 15
CLIPS = {"r3d_18": 12, "mc3_18": 12, "r2plus1d_18": 10, "s3d": 12, "i3d_rgb": 12}


# MARK: peers


def build(name):
    import torch
    import torchvision

    if name == "i3d_rgb":
        sys.path.insert(0, os.path.join(HERE, "..", "Parity"))
        from clip_goldens import I3D

        class Features(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.network = I3D()

            def forward(self, x):
                return torch.nn.functional.avg_pool3d(self.network.features(x), (2, 7, 7), 1).mean((2, 3, 4))

        return Features().eval()
    model = getattr(torchvision.models.video, name)(weights=None).eval()
    setattr(model, "fc" if name.endswith("_18") else "classifier", torch.nn.Identity())
    return model


def compiled(name, hint, precision="f32"):
    import openvino
    import torch

    length, size = NETWORKS[name]
    example = torch.zeros(1, 3, length, size, size)
    model = openvino.convert_model(build(name), example_input=example, input=[tuple(example.shape)])
    options = {"PERFORMANCE_HINT": hint}
    if precision == "int8":
        import nncf
        import numpy

        random = numpy.random.default_rng(0)
        data = [random.random(tuple(example.shape), dtype="f") for _ in range(4)]
        model = nncf.quantize(model, nncf.Dataset(data), subset_size=4)
    else:
        options["INFERENCE_PRECISION_HINT"] = precision
    return openvino.Core().compile_model(model, "CPU", options)


def runner(engine, name, precision):
    if engine == "openvino":
        network = compiled(name, "LATENCY", precision)
        return lambda x: network(x)[0]
    import torch

    torch.set_num_threads(os.cpu_count())
    torch.set_flush_denormal(True)
    model = build(name).to(memory_format=torch.channels_last_3d)

    def run(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x).contiguous(memory_format=torch.channels_last_3d)).numpy()

    return run


def alone(engine, name, precision, seconds):
    import numpy

    length, size = NETWORKS[name]
    x = numpy.random.default_rng(0).random((1, 3, length, size, size), dtype="f")
    if engine == "openvino":
        import openvino

        network = compiled(name, "THROUGHPUT", precision)
        queue = openvino.AsyncInferQueue(network, network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

        def run(until):
            done, begin = 0, time.perf_counter()
            while time.perf_counter() - begin < until or done == 0:
                queue.start_async({0: x})
                done += 1
            queue.wait_all()
            return done

    else:
        once = runner(engine, name, precision)

        def run(until):
            done, begin = 0, time.perf_counter()
            while time.perf_counter() - begin < until or done == 0:
                once(x)
                done += 1
            return done

    run(0.1)
    begin = time.perf_counter()
    return run(seconds) / (time.perf_counter() - begin)


def pipeline(engine, name, precision, clips):
    import cv2
    import numpy

    length, size = NETWORKS[name]
    mean, deviation = numpy.array([0.43216, 0.394666, 0.37645], "f"), numpy.array([0.22803, 0.22145, 0.216989], "f")
    run = runner(engine, name, precision)
    run(numpy.zeros((1, 3, length, size, size), "f"))

    def windows(path):
        capture, frames, index, tick = cv2.VideoCapture(path), [], 0, 0
        rate = capture.get(cv2.CAP_PROP_FPS)
        while capture.grab():
            if index >= tick * rate / RATE:
                picture = capture.retrieve()[1]
                side = min(picture.shape[:2])
                top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
                small = cv2.resize(picture[top:top + side, left:left + side, ::-1], (size, size))
                frames.append((small.astype("f") / 255 - mean) / deviation)
                tick += 1
            index += 1
            if len(frames) == length:
                yield numpy.stack(frames)
                frames = []
        if frames:
            yield numpy.stack(frames + [frames[-1]] * (length - len(frames)))

    begin, count = time.perf_counter(), 0
    for clip in clips:
        rows = [run(numpy.ascontiguousarray(w.transpose(3, 0, 1, 2)[None])) for w in windows(clip)]
        numpy.save("/dev/null", numpy.concatenate(rows))
        count += len(rows)
    return count / (time.perf_counter() - begin)


# MARK: rounds


def ours_alone(options, name, precision):
    command = [options.binary + "/Benchmarks", name, precision, str(os.cpu_count()), "1", str(options.seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["frames_per_second"]


def ours_pipeline(options, bench, name, precision, clips):
    folder = os.path.join(options.work, "windows")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/clips/one")
    os.link(bench.clips("first", 1)[0], f"{folder}/clips/one/first.avi")
    length = NETWORKS[name][0]
    with open(folder + "/p.yaml", "w") as file:
        file.write(
            f"dataset: {{root: {folder}/clips}}\nextract: {{backbone: {name}, weights: random, precision: {precision}, sampling: "
            f"{{policy: windows, length: {length}, stride: {length}, frames_per_second: {RATE}, windows: 100}}}}\n")
    command = [options.binary + "/zoetrope", "extract", folder + "/p.yaml", "--cache", folder + "/c.sqlite"]
    subprocess.run(command, check=True, capture_output=True)
    for clip in clips:
        os.link(clip, f"{folder}/clips/one/{os.path.basename(clip)}")
    begin = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - begin
    return int(output.split("(")[1].split(" ")[0].replace(",", "")) / seconds


def peer(part, engine, name, precision, rest):
    command = [sys.executable, os.path.abspath(__file__), "--peer", part, engine, name, precision, *map(str, rest)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    from bench import Bench

    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--work", default=os.path.expanduser("~/.cache/zoetrope/bench"))
    parser.add_argument("--backbones", nargs="+", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--parts", nargs="+", default=["alone", "clips to features"])
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    bench = Bench(options)
    turns = [("zoetrope", "f32"), ("openvino", "f32"), ("zoetrope", "int8"), ("openvino", "int8"), ("pytorch", "f32")]
    for part in options.parts:
        print(f"{part}: windows per second, and × OpenVINO, × PyTorch, int8 × OpenVINO int8", flush=True)
        for name in options.backbones:
            clips = bench.clips("small", CLIPS[name])
            results = {}
            for _ in range(options.rounds):
                for engine, precision in turns:
                    if part == "alone":
                        value = (ours_alone(options, name, precision) if engine == "zoetrope"
                                 else peer("alone", engine, name, precision, [options.seconds]))
                    else:
                        value = (ours_pipeline(options, bench, name, precision, clips) if engine == "zoetrope"
                                 else peer("pipeline", engine, name, precision, clips))
                    results.setdefault((engine, precision), []).append(value)

            def ratio(precision, engine):
                theirs = results[engine, "f32" if engine == "pytorch" else precision]
                return statistics.median(a / b for a, b in zip(results["zoetrope", precision], theirs))

            medians = "  ".join(f"{e} {p} {statistics.median(v):.2f}" for (e, p), v in results.items())
            print(f"  {name}: {medians}  ×OpenVINO {ratio('f32', 'openvino'):.2f}  ×PyTorch {ratio('f32', 'pytorch'):.2f}  "
                  f"int8 {ratio('int8', 'openvino'):.2f}", flush=True)


if __name__ == "__main__":
    if "--peer" in sys.argv:
        _, _, part, engine, name, precision, *rest = sys.argv
        print(alone(engine, name, precision, float(rest[0])) if part == "alone" else pipeline(engine, name, precision, rest))
    else:
        main()
