"""One measurement of a Python peer in a separate process; prints one JSON object. Called by bench.py.

    peers.py network  ENGINE PRECISION MODEL SIZE SECONDS           the model alone, batches of ten
    peers.py pipeline ENGINE PRECISION MODEL SIZE CLIP...           OpenCV decodes and resizes, 20 frames per clip, batched
    peers.py recipe   MODEL SIZE CLIP...                            Keras' video example: every frame decoded, one frame per call

ENGINE is openvino, onnxruntime or pytorch; MODEL an .onnx or .xml file, a name of models.py, or a Keras one. Only the
work itself is timed, neither imports nor loading nor compiling; `first_frames_per_second` of a pipeline has the last two in it.
"""

import json
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy  # noqa: E402

FRAMES, BATCH = 20, 10
MEAN = numpy.array([0.485, 0.456, 0.406], "f")
DEVIATION = numpy.array([0.229, 0.224, 0.225], "f")


def openvino_model(path, precision, size, hint, batch=BATCH):
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([{"THROUGHPUT": batch, "LATENCY": FRAMES}[hint], 3, size, size])
    options = {"PERFORMANCE_HINT": hint}
    if precision != "int8":
        options["INFERENCE_PRECISION_HINT"] = precision
    return core.compile_model(model, "CPU", options)


def runner(engine, precision, path, size):
    """A function from [count, 3, size, size] to features, using all cores for one batch."""
    if engine == "openvino":
        compiled = openvino_model(path, precision, size, "LATENCY")
        return lambda x: compiled(x)[0]
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: x})[0]
    import torch

    from models import build

    torch.set_num_threads(os.cpu_count())
    torch.set_flush_denormal(True)
    model = build(path).to(memory_format=torch.channels_last)

    def run(x):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return model(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).float().numpy()

    return run


def timed(body):
    """Frames per second of `body`, which returns its number of frames, and its resources."""
    begin, before = time.perf_counter(), os.times()
    frames = body()
    seconds, after = time.perf_counter() - begin, os.times()
    status = open("/proc/self/status").read() if os.path.exists("/proc/self/status") else "VmHWM: 0 kB"
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    cpu = after.user + after.system - before.user - before.system
    return {"frames": frames, "seconds": seconds, "frames_per_second": frames / seconds, "cpu_seconds": cpu, "peak_mib": peak}


def network(engine, precision, path, size, seconds):
    batch = 1 if engine == "openvino-one" else BATCH
    x = numpy.random.default_rng(0).random((batch, 3, size, size), dtype="f")
    if engine.startswith("openvino"):
        import openvino

        compiled = openvino_model(path, precision, size, "THROUGHPUT", batch)
        queue = openvino.AsyncInferQueue(compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

        def run(until):
            done, begin = 0, time.perf_counter()
            while time.perf_counter() - begin < until or done == 0:
                queue.start_async({0: x})
                done += batch
            queue.wait_all()
            return done

    else:
        once = runner(engine, precision, path, size)

        def run(until):
            done, begin = 0, time.perf_counter()
            while time.perf_counter() - begin < until or done == 0:
                once(x)
                done += BATCH
            return done

    run(0.1)
    return timed(lambda: run(seconds))


def cropped(frame, size):
    import cv2

    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return cv2.resize(frame[top : top + side, left : left + side, ::-1], (size, size))


def sampled(path, size):
    """Twenty evenly spaced frames; the others are decoded but not converted."""
    import cv2

    capture = cv2.VideoCapture(path)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(((2 * i + 1) * count // (2 * FRAMES)) for i in range(FRAMES))
    frames, index = [], 0
    while len(frames) < len(wanted) and capture.grab():
        if index in wanted:
            frames.append(cropped(capture.retrieve()[1], size))
        index += 1
    frames += [frames[-1]] * (FRAMES - len(frames))
    return numpy.stack(frames)


def pipeline(engine, precision, path, size, clips):
    if engine == "openvino":
        import cv2, openvino  # noqa: E401, F401
    begin = time.perf_counter()
    run = runner(engine, precision, path, size)
    start = time.perf_counter() - begin
    run(numpy.zeros((FRAMES, 3, size, size), "f"))
    folder = tempfile.mkdtemp()

    def work():
        for number, clip in enumerate(clips):
            pixels = (sampled(clip, size).astype("f") / 255 - MEAN) / DEVIATION
            features = run(numpy.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
            numpy.save(os.path.join(folder, f"{number}.npy"), features)
        return FRAMES * len(clips)

    result = timed(work)
    result["first_frames_per_second"] = result["frames"] / (start + result["seconds"])
    return result


def recipe(name, size, clips):
    import cv2
    import keras

    model = getattr(keras.applications, name)(weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3))
    model.predict(numpy.zeros((1, size, size, 3), "f"), verbose=0)
    folder = tempfile.mkdtemp()

    def work():
        for number, clip in enumerate(clips):
            capture = cv2.VideoCapture(clip)
            frames = []
            while True:
                there, frame = capture.read()
                if not there:
                    break
                frames.append(cropped(frame, size))
            chosen = numpy.stack(frames)[:FRAMES]
            features = [model.predict(frame[None].astype("f") / 127.5 - 1, verbose=0)[0] for frame in chosen]
            numpy.save(os.path.join(folder, f"{number}.npy"), numpy.stack(features))
        return FRAMES * len(clips)

    return timed(work)


if __name__ == "__main__":
    kind, rest = sys.argv[1], sys.argv[2:]
    if kind == "network":
        result = network(rest[0], rest[1], rest[2], int(rest[3]), float(rest[4]))
    elif kind == "pipeline":
        result = pipeline(rest[0], rest[1], rest[2], int(rest[3]), rest[4:])
    else:
        result = recipe(rest[0], int(rest[1]), rest[2:])
    print(json.dumps(result))
