"""Measures how flags of the ffmpeg command change its -pix_fmt rgb24 pixels: the results quoted in README.md.

    python ffmpeg_flags.py CLIPS       # ffmpeg, ffprobe, numpy; CLIPS is the folder of sample clips

Prints, for each clip and each set of -sws_flags, the difference of the first 30 frames from those with
bilinear+accurate_rnd+full_chroma_int, which equal Zoetrope's (VideoTests/FFmpegCommandTests): mean and largest difference
in levels, and the share of equal values.
"""

import pathlib
import subprocess
import sys

import numpy as np

EXACT = "bilinear+accurate_rnd+full_chroma_int"
OTHERS = [None, "accurate_rnd", "full_chroma_int", "accurate_rnd+full_chroma_int", "bilinear+accurate_rnd", EXACT + "+full_chroma_inp"]


def pixels_of(path, flags):
    probe = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", path],
        check=True, capture_output=True, text=True).stdout.splitlines()[0].split(",")
    options = ["-sws_flags", flags] if flags else []
    raw = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", *options, "-frames:v", "30", "-f", "rawvideo",
         "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, int(probe[1]), int(probe[0]), 3).astype(np.int16)


if __name__ == "__main__":
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        if path.suffix not in (".mp4", ".avi"):
            continue
        exact = pixels_of(str(path), EXACT)
        print(path.name)
        for flags in OTHERS:
            difference = np.abs(pixels_of(str(path), flags) - exact)
            print(f"  {flags or 'none':55} mean {difference.mean():.2f}  max {difference.max()}  equal {(difference == 0).mean():.2%}")
