"""Time and memory for 1, 10 and 100 thousand short clips: seconds and bytes per clip, also of read-only commands.

    make bench-growth                     # ARGS='--counts 1000 10000'

Clips are uncompressed, 32×32, four frames, with different content, so that the results exclude decoding
and the backbone. Prints a table for Tests/Benchmarks/RESULTS.md.
"""

import argparse
import os
import random
import shutil
import subprocess
import time

PIPELINE = """name: growth
dataset: {{root: {root}/clips}}
extract: {{backbone: small_cnn, weights: random, image_size: 32, sampling: {{policy: uniform, frames: 4}}}}
sequence: {{model: {{kind: gru, hidden: 16}}, standardize: true, epochs: {epochs}}}
"""


def clips(root, count):
    """Ten classes; the seed is the clip's number, so that a larger set contains the smaller one."""
    for label in range(10):
        os.makedirs(f"{root}/clips/class{label}", exist_ok=True)
    for number in range(count):
        path = f"{root}/clips/class{number % 10}/{number:06}.y4m"
        if os.path.exists(path):
            continue
        generator = random.Random(number)
        frames = b"".join(b"FRAME\n" + generator.randbytes(32 * 32 * 3 // 2) for _ in range(4))
        with open(path, "wb") as file:
            file.write(b"YUV4MPEG2 W32 H32 F8:1 Ip A1:1 C420jpeg\n" + frames)


def timed(command, root):
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as file:
                peak = max([peak] + [int(line.split()[1]) for line in file if line.startswith("VmHWM")])
        except OSError:
            pass
        time.sleep(0.02)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {process.stderr.read()[-500:]}")
    return seconds, peak / 1024


def measure(options, count):
    root = f"{options.work}/{count}"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    clips(root, count)
    with open(root + "/p.yaml", "w") as file:
        file.write(PIPELINE.format(root=root, epochs=2))
    program = options.binary + "/zoetrope"
    commands = {
        "extract": ["extract", "p.yaml"],
        "extract, nothing to do": ["extract", "p.yaml"],
        "extract --rehash, nothing to do": ["extract", "p.yaml", "--rehash"],
        "sequence, one epoch": ["sequence", "p.yaml", "--name", "a", "--set", "sequence.epochs=1"],
        "sequence, two epochs": ["sequence", "p.yaml", "--name", "b"],
        "evaluate --report": ["evaluate", "runs/b", "--report", "report.html"],
        "compare": ["compare", "runs/a", "runs/b"],
        "cache info": ["cache", "info"],
        "cache verify": ["cache", "verify"],
    }
    # Recently modified files are hashed again, since timestamps may be too coarse.
    time.sleep(3)
    rows = {name: timed([program] + command, root) for name, command in commands.items()}
    size = os.path.getsize(root + "/features.sqlite")
    shutil.rmtree(root)
    return rows, size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=".build/release")
    parser.add_argument("--work", default=os.path.expanduser("~/.cache/zoetrope/growth"))
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    found = {count: measure(options, count) for count in options.counts}
    print("| seconds (peak MiB) | " + " | ".join(f"{count:,} clips" for count in found) + " |")
    print("|---" * (len(found) + 1) + "|")
    for name in next(iter(found.values()))[0]:
        cells = [f"{rows[name][0]:.2f} ({rows[name][1]:.0f})" for rows, _ in found.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("| bytes per clip | " + " | ".join(f"{size / count:,.0f}" for count, (_, size) in found.items()) + " |")


if __name__ == "__main__":
    main()
