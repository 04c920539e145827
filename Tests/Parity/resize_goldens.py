"""Images resized by OpenCV and PIL → VideoTests/Fixtures/resize.json.

    python resize_goldens.py            # opencv-python-headless, pillow, numpy

The image has `side` × `side` pixels, with stripes finer than the pixels of smaller images. Every 41st value of each result
is kept.
"""

import json
import pathlib

import cv2
import numpy as np
from PIL import Image

STEP = 41
SIDES = [(240, 224), (90, 224), (333, 128), (448, 224), (500, 75)]


def image(side):
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    return ((x * 7 + y * 13 + c * 31 + x * y % 17 * 5) % 256).astype(np.uint8)


FILTERS = {
    "bilinear": lambda p, size: cv2.resize(p, (size, size), interpolation=cv2.INTER_LINEAR),
    "antialias": lambda p, size: np.asarray(Image.fromarray(p).resize((size, size), Image.BILINEAR)),
    "bicubic": lambda p, size: np.asarray(Image.fromarray(p).resize((size, size), Image.BICUBIC)),
}

if __name__ == "__main__":
    cv2.setUseOptimized(False)
    goldens = [
        {"filter": name, "side": side, "size": size, "step": STEP, "pixels": resize(image(side), size).flatten()[::STEP].tolist()}
        for name, resize in FILTERS.items() for side, size in SIDES
    ]
    target = pathlib.Path(__file__).parents[1] / "VideoTests" / "Fixtures" / "resize.json"
    target.write_text(json.dumps(goldens, separators=(",", ":")))
