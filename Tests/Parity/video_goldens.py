"""Frames of the sample clips decoded by the ffmpeg command → VideoTests/Fixtures/clips.json.

    python video_goldens.py CLIPS       # ffmpeg, ffprobe, numpy; CLIPS is the folder of sample clips

For each clip: count and times of ffmpeg's frames, and every 677th pixel of a few frames as -pix_fmt rgb24.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

STEP = 677


def frames_of(path):
    probe = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_frames", "-show_entries", "frame=best_effort_timestamp_time,width,height", "-of", "json", path],
        check=True, capture_output=True, text=True)
    return json.loads(probe.stdout)["frames"]


def pixels_of(path, width, height):
    raw = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-sws_flags", "bilinear+accurate_rnd+full_chroma_int+full_chroma_inp", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height * width, 3)


if __name__ == "__main__":
    goldens = []
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        if path.suffix not in (".mp4", ".avi"):
            continue
        frames = frames_of(str(path))
        width, height = frames[0]["width"], frames[0]["height"]
        pixels = pixels_of(str(path), width, height)
        chosen = sorted({0, len(pixels) // 3, len(pixels) - 1})
        times = [float(f["best_effort_timestamp_time"]) for f in frames] if all("best_effort_timestamp_time" in f for f in frames) else []
        print(path.name, width, height, len(frames), len(pixels))
        goldens.append({
            "name": path.name, "width": width, "height": height, "count": len(pixels), "times": times[: len(pixels)], "step": STEP,
            "frames": [{"index": int(i), "pixels": pixels[i][::STEP].flatten().tolist()} for i in chosen],
        })
    target = pathlib.Path(__file__).parents[1] / "VideoTests" / "Fixtures" / "clips.json"
    target.write_text(json.dumps(goldens, separators=(",", ":")))
