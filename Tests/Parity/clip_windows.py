"""Compares window features of a cache with a PyTorch loop over the same videos.

    python clip_windows.py CACHE ROOT [FRAMES]     # torch, torchvision, numpy, pillow; ffmpeg and ffprobe

The cache was extracted from the folder ROOT with random weights; frames are decoded by ffmpeg, cropped and resized by Pillow.
If the frame store FRAMES of a fine-tuning with the same sampling and size is given, features of its frames are compared too.
"""

import json
import sqlite3
import subprocess
import sys

import numpy as np
import torch
from PIL import Image

from clip_goldens import KINETICS, SYMMETRIC, filled, outputs


def decoded(path):
    """Times in seconds and images [frame, row, column, 3] of all frames, in display order."""
    probe = json.loads(subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
         "stream=width,height,time_base,r_frame_rate:frame=best_effort_timestamp", "-of", "json", path],
        capture_output=True, check=True).stdout)
    width, height = probe["streams"][0]["width"], probe["streams"][0]["height"]
    base, unit = map(int, probe["streams"][0]["time_base"].split("/"))
    if all("best_effort_timestamp" in f for f in probe["frames"]):
        times = sorted(f["best_effort_timestamp"] * base / unit for f in probe["frames"])
    else:  # an AVI whose frames have indices instead of times
        rate, unit = map(int, probe["streams"][0]["r_frame_rate"].split("/"))
        times = [i * unit / rate for i in range(len(probe["frames"]))]
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb48le",
         "-sws_flags", "bicubic+accurate_rnd+full_chroma_int", "-"], capture_output=True, check=True).stdout
    # 16 bits, so that samples of more than 8 bits are rounded, not truncated.
    wide = np.frombuffer(raw, "<u2").reshape(-1, height, width, 3)
    return times, np.stack([(picture.astype("f") / 257 + 0.5).astype(np.uint8) for picture in wide])


def ticks(times, rate):
    """The frame displayed at each tick of the clock."""
    end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0)
    result, index = [], 0
    while (wanted := times[0] + len(result) / rate + 1e-6) < end:
        while index + 1 < len(times) and times[index + 1] <= wanted:
            index += 1
        result.append(index)
    return result


def windows(times, sampling):
    clock = ticks(times, sampling["frames_per_second"]) if "frames_per_second" in sampling else list(range(len(times)))
    length, stride = sampling["length"], sampling["stride"]
    count = min(sampling["windows"], -(-max(0, len(clock) - length) // stride) + 1)
    return [[clock[min(w * stride + i, len(clock) - 1)] for i in range(length)] for w in range(count)]


def prepared(picture, size):
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(picture[top:top + side, left:left + side])
    return np.asarray(square.resize((size, size), Image.BILINEAR))


def cosine(ours, theirs):
    return float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))


def stored(frames, digest, shape):
    """The windows [window, frame, row, column, 3] of a video in the frame store of a fine-tuning."""
    if not frames:
        return None
    for count, pixels in sqlite3.connect(frames).execute(
            "SELECT frames, pixels FROM clip WHERE key LIKE ?", (digest + "%",)):
        if count == shape[0] and len(pixels) == np.prod(shape):
            return np.frombuffer(pixels, np.uint8).reshape(shape)


def main(cache, root, frames=None):
    database = sqlite3.connect(cache)
    rows = database.execute(
        "SELECT path, recipe, backbone, image_size, feature_size, length, features, window_ends, video.digest FROM sequence "
        "JOIN extraction ON extraction.id = extraction_id JOIN video ON video.id = video_id WHERE view = 0").fetchall()
    worst = 1.0
    for path, recipe, name, size, features, length, blob, ends, digest in rows:
        sampling = json.loads(recipe)["sampling"]
        mean, deviation = SYMMETRIC if name == "i3d_rgb" else KINETICS
        times, pictures = decoded(f"{root}/{path}")
        own = windows(times, sampling)
        assert [[w[0], w[-1]] for w in own] == json.loads(ends), path
        model = filled(name)
        ours = np.frombuffer(blob, np.float32).reshape(-1, features)[:length]

        def feature(window):
            x = (window.astype("f") / 255 - mean) / deviation
            with torch.no_grad():
                return outputs(name, model, torch.from_numpy(x.transpose(3, 0, 1, 2)[None]), "pooled")[0].numpy()

        shown = stored(frames, digest, (length, sampling["length"], size, size, 3))
        same = [cosine(row, feature(window)) for row, window in zip(ours, [] if shown is None else shown)]
        decoder = [cosine(row, feature(np.stack([prepared(pictures[i], size) for i in window])))
                   for window, row in zip(own, ours)]
        print(f"{path}: {len(own)} windows, minimum cosine {min(decoder):.6f}; "
              f"of the same frames {min(same, default=float('nan')):.6f}", flush=True)
        worst = min(worst, *(same or decoder))
    print(f"minimum cosine of all {worst:.6f}")
    assert worst >= 0.9999


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(*sys.argv[1:4])
