"""Frames a second of a backbone alone: Zoetrope beside OpenVINO, in turns, on the same cores.

    make bench                          # makes the Python environment, builds, runs this

Absolute figures drift with the machine; the ratio of the two in one round is what counts, its median
over the rounds what is quoted. OpenVINO is given its best settings: throughput hint, as many streams as
it likes, the batch that suits it best of those tried in the first round.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
import warnings

warnings.filterwarnings("ignore")


def compile_openvino(name, size, batch):
    import numpy
    import openvino
    import torch
    import torchvision

    model = getattr(torchvision.models, name)(weights=None).eval()
    example = numpy.random.rand(batch, 3, size, size).astype("f")
    converted = openvino.convert_model(model, example_input=torch.from_numpy(example), input=[list(example.shape)])
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    return openvino.Core().compile_model(converted, "CPU", options), example


def run_openvino(compiled, example, seconds):
    import openvino

    streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    queue = openvino.AsyncInferQueue(compiled, streams)
    for _ in range(streams):
        queue.start_async({0: example})
    queue.wait_all()
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        queue.start_async({0: example})
        done += 1
    queue.wait_all()
    return done * len(example) / (time.perf_counter() - begin)


def run_zoetrope(binary, name, workers, batch, seconds):
    command = [binary, name, str(workers), str(batch), str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=".build/release/Benchmarks")
    parser.add_argument("--backbones", nargs="+", default=["resnet152"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--batch", type=int, default=10)
    arguments = parser.parse_args()
    cores = os.cpu_count()
    for name in arguments.backbones:
        candidates = [compile_openvino(name, 224, batch) for batch in (1, 4, 10)]
        compiled, example = max(candidates, key=lambda c: run_openvino(*c, arguments.seconds))
        ours, theirs, ratios = [], [], []
        for _ in range(arguments.rounds):
            theirs.append(run_openvino(compiled, example, arguments.seconds))
            ours.append(run_zoetrope(arguments.binary, name, cores, arguments.batch, arguments.seconds))
            ratios.append(ours[-1]["frames_per_second"] / theirs[-1])
        rates = [o["frames_per_second"] for o in ours]
        last = ours[-1]
        print(f"{name}, f32, 224², {cores} cores ({last['instruction_set']}), {arguments.rounds} rounds in turns")
        print(f"  Zoetrope ({last['library']}, {last['workers']} workers, batch {last['batch']}): "
              f"{statistics.median(rates):.1f} frames/s (median), {min(rates):.1f}–{max(rates):.1f}; "
              f"peak memory {max(o['peak_mib'] for o in ours):.0f} MiB; start-up {last['start_up_seconds']:.1f} s")
        print(f"  OpenVINO (batch {len(example)}): {statistics.median(theirs):.1f} frames/s (median), "
              f"{min(theirs):.1f}–{max(theirs):.1f}")
        print(f"  ratio: {statistics.median(ratios):.2f} (median), {min(ratios):.2f}–{max(ratios):.2f}", flush=True)
