"""The counter-based generator that fills parameters, the same here and in Swift (`RandomParameters`).

Value i of a parameter depends on its name, the seed and i alone: the 64-bit state
fnv1a(name) ^ (seed + 1) * M + (i + 1) * M goes through SplitMix64's finaliser and its top 24 bits make u in [0, 1).
"""

import numpy as np

M = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def uniform(name, count, seed=0):
    """`count` float32 numbers in [0, 1), multiples of 2^-24."""
    with np.errstate(over="ignore"):
        key = fnv1a(name) ^ (np.uint64(seed + 1) * M)
        z = key + np.arange(1, count + 1, dtype=np.uint64) * M
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def around(name, shape, centre, spread, seed=0):
    """centre + spread * (2u - 1), in float32."""
    u = uniform(name, int(np.prod(shape)), seed)
    values = np.float32(centre) + np.float32(spread) * (np.float32(2) * u - np.float32(1))
    return values.reshape(shape)


def pixels(index, height, width):
    """Picture `index`, [height, width, 3] of uint8: a random mosaic of (index + 2)² tiles under fine noise."""
    tiles = index + 2
    coarse = uniform(f"picture {index} tiles", tiles * tiles * 3).reshape(tiles, tiles, 3)
    fine = uniform(f"picture {index} noise", height * width * 3).reshape(height, width, 3)
    rows = np.arange(height) * tiles // height
    columns = np.arange(width) * tiles // width
    mixed = np.float32(231) * coarse[rows][:, columns] + np.float32(24) * fine
    return mixed.astype(np.uint8)
