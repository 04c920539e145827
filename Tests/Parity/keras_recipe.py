"""Compares a cache with features of the published Keras recipe for the same clips, and prints cosine similarities.

    zoetrope extract keras-recipe.yaml --cache recipe.sqlite   # inceptionv3, numerics: keras, weights: random,
                                                               # image_size: 224, resize: bilinear, first 20 frames
    python keras_recipe.py recipe.sqlite CLIPS                 # tensorflow, opencv-python-headless, numpy

OpenCV reads, crops and resizes frames as in the published recipe, one frame per call.
"""

import pathlib
import sqlite3
import sys

import cv2
import numpy as np

from keras_goldens import inceptionv3

SIZE = 224


def frames_of(path, count):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while len(frames) < count:
        ok, frame = capture.read()
        if not ok:
            break
        height, width = frame.shape[:2]
        side = min(height, width)
        y, x = height // 2 - side // 2, width // 2 - side // 2
        frames.append(cv2.resize(frame[y:y + side, x:x + side], (SIZE, SIZE))[:, :, [2, 1, 0]])
    return frames


def cosine(a, b):
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


if __name__ == "__main__":
    model, preprocess = inceptionv3(SIZE)
    rows = sqlite3.connect(sys.argv[1]).execute(
        "SELECT video.path, sequence.length, feature_size, features FROM sequence JOIN video ON video.id = video_id JOIN extraction e ON e.id = extraction_id").fetchall()
    theirs, ours, names = [], [], []
    for path, length, size, blob in rows:
        frames = frames_of(pathlib.Path(sys.argv[2]) / path, length)
        ours.append(np.frombuffer(blob, "<f4").reshape(-1, size)[:len(frames)])
        theirs.append(np.stack([np.asarray(model(preprocess(f[None].astype("f")), training=False)).mean((1, 2))[0] for f in frames]))
        names.append(path)
    mean = np.concatenate(theirs).mean(0)
    for path, a, b in zip(names, ours, theirs):
        plain, centred = [cosine(x, y) for x, y in zip(a, b)], [cosine(x - mean, y - mean) for x, y in zip(a, b)]
        print(f"{path}: {len(a)} frames, minimum cosine {min(plain):.6f}, of centred features {min(centred):.6f}")
    spread = [cosine(x, y) for x in np.concatenate(theirs) for y in np.concatenate(theirs)]
    print(f"two frames of the recipe: minimum cosine {min(spread):.4f}")
