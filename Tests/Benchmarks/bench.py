"""Benchmarks Zoetrope against Python peers, in one run on the same cores; writes Tests/Benchmarks/RESULTS.md.

    make bench                              # makes the Python environments, builds, runs this
    make bench ARGS='--backbones resnet18 --rounds 1'

Each measurement runs in a separate process. Zoetrope and OpenVINO, the fastest peer, alternate for several rounds:
absolute results drift with the machine, ratios within a round do not. The other peers are measured once.
Finished measurements are kept in --work and not repeated by the next call; --fresh deletes them.

RESULTS.md has a section for each kind of machine, with the latest results of each backbone there.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

from models import NETWORKS, onnx, quantised

HERE = os.path.dirname(os.path.abspath(__file__))
# Clips for each measurement of a pipeline, about twenty seconds of work.
CLIPS = {"resnet18": 48, "efficientnet_b0": 64, "inceptionv3": 16, "resnet152": 10, "efficientnet_b7": 2}
CLIPS |= {
    "efficientnet_lite0": 64, "efficientnetv2_s": 12, "mobilenetv3_large": 64, "convnext_tiny": 24, "vit_small_16": 24,
    "vit_base_16": 8, "dinov2_vits14": 20,
}
BATCH = {"efficientnet_b7": 2}
# Encoders with small batches in Zoetrope; the peer then also has a batch of one frame.
ENCODERS = list(NETWORKS)[5:]


def last_json(command):
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def peak_mib(pid):
    """Peak resident memory of a process, polled until it ends; its rusage would include this script."""
    peak = 0.0
    while True:
        try:
            with open(f"/proc/{pid}/status") as file:
                known = [line for line in file if line.startswith("VmHWM")]
        except OSError:
            return peak or float("nan")
        if not known:  # ended
            return peak
        peak = max(peak, int(known[0].split()[1]) / 1024)
        time.sleep(0.05)


class Bench:
    def __init__(self, options):
        self.options = options
        self.path = os.path.join(options.work, "measured.json")
        self.measured = json.load(open(self.path)) if os.path.exists(self.path) and not options.fresh else {}

    def keep(self, key, make):
        """The stored result of the key, or the result of `make`."""
        if key not in self.measured:
            print(f"{time.strftime('%H:%M:%S')} {key}", flush=True)
            try:
                self.measured[key] = make()
            except subprocess.CalledProcessError as error:
                print(error.stderr[-500:], file=sys.stderr)
                self.measured[key] = None
            with open(self.path + ".part", "w") as file:
                json.dump(self.measured, file)
            os.replace(self.path + ".part", self.path)
        return self.measured[key]

    # MARK: clips

    def clips(self, kind, count):
        """Generated clips: 320×240 MPEG-4 of 7 s as in UCF101, or 1080p H.264 of 10 s."""
        folder = os.path.join(self.options.work, kind, "clips")
        os.makedirs(folder, exist_ok=True)
        paths = []
        for number in range(count):
            path = os.path.join(folder, f"{number:02}." + ("mp4" if kind == "large" else "avi"))
            paths.append(path)
            if os.path.exists(path):
                continue
            size, rate, seconds = ("1920x1080", 30, 10) if kind == "large" else ("320x240", 25, 7)
            # One additional clip of the same kind comes first: int8 is calibrated on similar images.
            seed = 99 if kind == "first" else number
            picture = f"hue=h=t*{20 + seed * 5},rotate=t*0.0{seed % 9 + 1},noise=alls=6:allf=t:all_seed={seed}"
            codec = (
                ["-c:v", "libx264", "-preset", "medium", "-crf", "23"] if kind == "large"
                else ["-c:v", "mpeg4", "-vtag", "XVID", "-b:v", "400k"])
            subprocess.run(
                ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}",
                 "-vf", picture, "-pix_fmt", "yuv420p", *codec, path + ".part" + path[-4:]], check=True)
            os.replace(path + ".part" + path[-4:], path)
        return paths

    # MARK: measurements

    def peak(self):
        """Medians of five: an idle processor is faster at first."""
        runs = [last_json([self.options.binary + "/Benchmarks", "peak"]) for _ in range(5)]
        return {
            key: statistics.median(run[key] for run in runs) if isinstance(value, float) else value
            for key, value in runs[0].items()}

    def network(self, name, program, precision, seconds=5):
        published, _, size = NETWORKS[name]
        if program == "zoetrope":
            # If omitted, the encoder's default number of frames.
            batch = "own" if name in ENCODERS else str(BATCH.get(name, 10))
            return last_json(
                [self.options.binary + "/Benchmarks", name, precision, str(os.cpu_count()), batch, str(seconds)])
        return last_json(
            [sys.executable, HERE + "/peers.py", "network", program, precision, self.model(name, program, precision),
             str(size), str(seconds)])

    def model(self, name, program, precision):
        if program == "pytorch":
            return NETWORKS[name][0]
        return (quantised if precision == "int8" else onnx)(name, self.options.work)

    def pipeline(self, name, program, precision, clips):
        size = NETWORKS[name][2]
        if program == "zoetrope":
            return self.extract(name, precision, clips)
        if program == "keras":
            return last_json([self.options.keras, HERE + "/peers.py", "recipe", NETWORKS[name][1], str(size), *clips])
        return last_json(
            [sys.executable, HERE + "/peers.py", "pipeline", program, precision,
             self.model(name, program, precision), str(size), *clips])

    def extract(self, name, precision, clips, first=False):
        """The command as a user calls it, including reading files, planning and writing the cache. One additional clip is
        extracted before, so that auto-tuning and calibration are done; not for the first run on a machine."""
        folder = os.path.join(self.options.work, "extract")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder + "/clips/one")
        os.link(self.clips("first", 1)[0], f"{folder}/clips/one/first.avi")
        with open(folder + "/p.yaml", "w") as file:
            file.write(
                f"dataset: {{root: {folder}/clips}}\n"
                f"extract: {{backbone: {name}, weights: random, precision: {precision}, "
                "sampling: {policy: uniform, frames: 20}}\n")
        command = [self.options.binary + "/zoetrope", "extract", folder + "/p.yaml", "--cache", folder + "/c.sqlite"]
        environment = dict(os.environ)
        if first:
            # Without tuning cache and calibration: a new machine, and a new data set.
            os.unlink(f"{folder}/clips/one/first.avi")
            environment["XDG_CACHE_HOME"] = folder + "/caches"
        else:
            subprocess.run(command, check=True, capture_output=True, text=True)
        for clip in clips:
            os.link(clip, f"{folder}/clips/one/{os.path.basename(clip)}")
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        peak = peak_mib(process.pid)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        found = re.search(r"Extracted (\d+) videos \(([\d,]+) frames\)", output)
        if status != 0 or not found or int(found.group(1)) != len(clips):
            raise RuntimeError(f"extract failed: {output}")
        frames = int(found.group(2).replace(",", ""))
        return {"frames": frames, "seconds": seconds, "frames_per_second": frames / seconds,
                "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mib": peak}

    # MARK: rounds

    def rounds(self, part, name, measure, turns, once):
        """Frames per second and other results of each (program, precision), per round."""
        results = {}
        # A round of the largest network takes minutes.
        for number in range(min(self.options.rounds, 2) if name in BATCH else self.options.rounds):
            for program, precision in turns:
                key = f"{part} {name} {program} {precision} {number}"
                results.setdefault((program, precision), []).append(self.keep(key, lambda: measure(program, precision)))
        for program, precision in once:
            key = f"{part} {name} {program} {precision} once"
            results[program, precision] = [self.keep(key, lambda: measure(program, precision))]
        return {key: [one for one in values if one] for key, values in results.items()}


def first_runs(results, firsts):
    """The column of first runs: frames per second, and for Zoetrope the ratio to OpenVINO."""
    cells = {}
    for (program, precision), values in results.items():
        if program == "zoetrope":
            ours = [one["frames_per_second"] for one in firsts.get((program, precision), [])]
            theirs = [one.get("first_frames_per_second") for one in results.get(("openvino", precision), [])]
            if not ours:
                continue
            ratios = [a / b for a, b in zip(ours, theirs) if b]
            cells[program, precision] = f"{statistics.median(ours):.1f}" + (
                f" ({statistics.median(ratios):.2f} ×)" if ratios else "")
        else:
            rates = [one["first_frames_per_second"] for one in values if "first_frames_per_second" in one]
            if rates:
                cells[program, precision] = f"{statistics.median(rates):.1f}"
    return cells


def ratio(results, program, precision):
    """Ratio of Zoetrope's frames per second to another program's, per round: median, minimum, maximum."""
    ours = [one["frames_per_second"] for one in results.get(("zoetrope", precision), [])]
    theirs = [one["frames_per_second"] for one in results.get((program, precision), [])]
    if not ours or not theirs:
        return "–"
    if len(theirs) == 1:
        return f"{statistics.median(ours) / theirs[0]:.2f}"
    ratios = [a / b for a, b in zip(ours, theirs)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


NAMES = {"zoetrope": "**Zoetrope**", "openvino": "OpenVINO", "openvino-one": "OpenVINO, one at a time", "onnxruntime": "ONNX Runtime", "pytorch": "PyTorch",
         "keras": "Keras recipe"}


def rows(results, floors=None, per_video=False, firsts=None):
    lines = []
    for (program, precision), values in results.items():
        if not values:
            continue
        rate = statistics.median([v["frames_per_second"] for v in values])
        cells = [NAMES[program], precision, f"{rate:.1f}"]
        if per_video:
            # Arithmetic mean over rounds: CPU seconds of all cores per thousand frames.
            cpu = statistics.median([1000 * v["cpu_seconds"] / v["frames"] for v in values])
            cells += [f"{rate / 20:.2f}", f"{cpu:.1f}"]
        cells.append(f"{max(v['peak_mib'] for v in values):.0f}")
        if floors:
            cells.append(f"{100 * rate / floors[precision]:.0f} %" if precision in floors else "–")
        cells.append("1" if program == "zoetrope" else ratio(results, program, precision))
        if firsts is not None:
            cells.append(firsts.get((program, precision), "–"))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


class Results:
    """RESULTS.md: a section per machine with a subsection per backbone, and other sections, which are unchanged."""

    def __init__(self, path):
        self.path = path
        text = open(path).read() if os.path.exists(path) else ""
        parts = re.split(r"(?m)^# ", text)
        self.head = parts[0]
        self.parts = {}
        for part in parts[1:]:
            title, _, body = part.partition("\n")
            self.parts[title] = body

    def update(self, title, introduction, sections):
        old = re.split(r"(?m)^## ", self.parts.get(title, ""))
        kept = {}
        for section in old[1:]:
            name, _, body = section.partition("\n")
            kept[name.split(",")[0]] = f"## {name}\n{body.rstrip()}\n"
        kept.update(sections)
        self.parts[title] = "\n" + introduction.strip() + "\n\n" + "\n".join(kept.values()) + "\n"

    def write(self):
        text = self.head + "".join(f"# {title}\n{body}" for title, body in self.parts.items())
        with open(self.path, "w") as file:
            file.write(text.rstrip() + "\n")


def processor():
    known = open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else ""
    flags = set(re.search(r"flags\s*:(.*)", known).group(1).split()) if "flags" in known else set()
    sets = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if name in flags]
    return f"{os.cpu_count()} cores, {platform.machine()}, " + (", ".join(sets) or "unknown instruction sets")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=".build/release", help="folder of the built programs")
    parser.add_argument("--keras", help="python of an environment with Keras; without it that peer is skipped")
    parser.add_argument("--backbones", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default=os.path.expanduser("~/.cache/zoetrope/bench"))
    parser.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    options.work = os.path.abspath(options.work)
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is needed to generate the clips: apt install ffmpeg")
    os.makedirs(options.work, exist_ok=True)
    bench = Bench(options)
    peak = bench.keep("peak", bench.peak)
    introduction = "\n".join([
        f"By `make bench` on {time.strftime('%Y-%m-%d')}: {processor()}; {peak['library']}; Python {platform.python_version()}. "
        f"Medians of {options.rounds} rounds (EfficientNet-B7: 2) in which Zoetrope and OpenVINO alternate; one measurement of the others. Ratios are Zoetrope's "
        "frames per second divided by the other's, per round: median (minimum–maximum).", "",
        f"One convolution alone (3×3, 256 channels, 28×28, direct) reaches {peak['f32']:.0f} GFLOP/s in f32 and "
        f"{peak['int8']:.0f} in int8 on all cores, {peak['one_f32']:.0f} and {peak['one_int8']:.0f} on one; the columns "
        "\"of the floor\" are the percentage of it that a backbone reaches. Above 100 %, Winograd's algorithm saves multiplications. "
        "\"First run\": without tuning cache and calibration; for OpenVINO including loading and compiling.",
    ])
    sections = {}
    for name in options.backbones:
        size = NETWORKS[name][2]
        both = [("zoetrope", "f32"), ("openvino", "f32"), ("zoetrope", "int8"), ("openvino", "int8")]
        others = [("onnxruntime", "f32"), ("pytorch", "f32")]
        if name in ENCODERS:
            both = [("zoetrope", "f32"), ("openvino", "f32"), ("openvino-one", "f32"), ("zoetrope", "int8"), ("openvino", "int8")]
        # If bf16 is slower than f32, it is not useful.
        if peak["has_bf16"] and peak["bf16"] > peak["f32"] and name not in ENCODERS:
            both += [("zoetrope", "bf16"), ("openvino", "bf16")]
            others.append(("pytorch", "bf16"))
        for program, precision in both + others:
            if program not in ("zoetrope", "pytorch"):
                bench.model(name, program, precision)
        alone = bench.rounds("network", name, lambda *p: bench.network(name, *p), both, others)
        gflop = alone["zoetrope", "f32"][0]["gflops"] / alone["zoetrope", "f32"][0]["frames_per_second"]
        floors = {precision: peak[precision] / gflop for precision in ("f32", "int8", "bf16") if precision in peak}
        start = statistics.median([v["start_up_seconds"] for v in alone["zoetrope", "f32"]])
        frames = alone["zoetrope", "f32"][0].get("batch", 10)
        own = f" (Zoetrope: {frames})" if frames != 10 else ""
        text = [
            f"## {name}, {size}², {gflop:.1f} GFLOP per frame", "",
            f"The backbone alone, batches of ten frames{own}; Zoetrope's plans are ready "
            f"after {start:.1f} s.", "",
            "| | precision | frames/s | peak MiB | of the floor | ratio |", "|---|---|---|---|---|---|",
            *rows(alone, floors), ""]
        clips = bench.clips("small", CLIPS[name])
        # Only the important columns for the largest backbone, which takes minutes.
        turns = [turn for turn in both if turn[0] != "openvino-one"][:2 if name in BATCH else 4]
        once = [] if name in BATCH or name in ENCODERS else list(others)
        if options.keras and NETWORKS[name][1]:
            once.append(("keras", "f32"))
        files = bench.rounds(
            "small", name,
            lambda program, precision: bench.pipeline(
                name, program, precision, clips[:1 if name.endswith("b7") else 2] if program == "keras" else clips),
            turns, once)
        firsts = bench.rounds(
            "first", name, lambda program, precision: bench.extract(name, precision, clips, first=True),
            [turn for turn in turns if turn[0] == "zoetrope"], [])
        text += [
            f"From file to features on disk, {len(clips)} clips of 320×240 MPEG-4, 7 s, 20 frames each. Zoetrope's time is that of the complete "
            "command, including reading and planning; the peers' time excludes loading and compiling.", "",
            "| | precision | frames/s | videos/s | CPU s per 1,000 frames | peak MiB | ratio | first run |",
            "|---|---|---|---|---|---|---|---|", *rows(files, per_video=True, firsts=first_runs(files, firsts)), ""]
        if name in ("resnet18", "resnet152"):
            large = bench.clips("large", 6)
            files = bench.rounds(
                "large", name, lambda program, precision: bench.pipeline(name, program, precision, large), both[:2], [])
            text += [
                f"The same from {len(large)} clips of 1080p H.264, 10 s.", "",
                "| | precision | frames/s | videos/s | CPU s per 1,000 frames | peak MiB | ratio |",
                "|---|---|---|---|---|---|---|", *rows(files, per_video=True), ""]
        sections[name] = "\n".join(text)
    single = bench.keep(
        "one worker", lambda: last_json([options.binary + "/Benchmarks", "resnet152", "f32", "1", "10", "6"]))
    two = bench.keep(
        "all workers", lambda: last_json([options.binary + "/Benchmarks", "resnet152", "f32", str(os.cpu_count()), "10", "6"]))
    sections["One worker a core"] = "\n".join([
        "## One worker a core", "",
        f"ResNet-152 in f32: {single['frames_per_second']:.1f} frames/s with one worker, {two['frames_per_second']:.1f} with "
        f"{two['workers']}: {two['frames_per_second'] / single['frames_per_second']:.2f} times. One convolution alone is "
        f"{peak['f32'] / peak['one_f32']:.2f} times as fast on all cores of this machine as on one.", ""])
    results = Results(options.output)
    results.update(processor(), introduction, sections)
    results.write()
    print(introduction + "\n\n" + "\n".join(sections.values()))


if __name__ == "__main__":
    main()
