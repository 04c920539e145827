"""Small weight files written by torch.save, and hostile ones → NeuralNetworkTests/Fixtures/weights/.

    python weight_fixtures.py           # torch, numpy
"""

import argparse
import collections
import os
import pathlib
import pickle
import zipfile

import numpy
import torch

from parameters import around

TARGET = pathlib.Path(__file__).parents[1] / "NeuralNetworkTests" / "Fixtures" / "weights"


def tensors():
    base = torch.from_numpy(around("base", (6, 4), 0, 1))
    return collections.OrderedDict([
        ("conv.weight", torch.from_numpy(around("conv.weight", (2, 3, 3, 3), 0, 1))),
        ("half", base.half()), ("bfloat", base.bfloat16()), ("double", base.double()),
        ("transposed", base.t()), ("slice", base[2:5, 1:3]), ("scalar", torch.tensor(7)),
        ("parameter", torch.nn.Parameter(torch.ones(3))), ("empty", torch.zeros(0, 4)),
    ])


class Evil:
    def __reduce__(self):
        return (os.system, ("echo this must never run",))


class Registry(collections.OrderedDict):
    """A subclass as configuration libraries have it."""


def write_kinds():
    """Files with other objects besides tensors, in all pickle protocols, and files of other kinds."""
    weights = {"fc.weight": torch.from_numpy(around("fc.weight", (2, 3), 0, 1)), "fc.bias": torch.zeros(2)}
    kinds = {
        "device": torch.device("cpu"), "dtype": torch.float16, "set": {1, 2}, "counter": collections.Counter("abca"),
        "complex": 1 + 2j, "bytes": b"abc", "size": torch.Size([2, 3]), "ordered": collections.OrderedDict(a=1),
        "default": collections.defaultdict(list), "frozen": frozenset([1]), "bytearray": bytearray(b"x"), "big": 1 << 80,
        "float8": torch.tensor([1.5, -0.0625, 448, 0.001953125]).to(torch.float8_e4m3fn),
        "float8 of 5 bits": torch.tensor([1.5, -0.25, 57344]).to(torch.float8_e5m2),
        "uint16": torch.tensor([65535, 1], dtype=torch.uint16), "complex tensor": torch.ones(2, dtype=torch.complex64),
        "expanded": torch.tensor([3.0]).expand(4), "nothing": None, "yes": True, "small": -5, "pi": 3.14, "list": [weights]}
    for protocol in (2, 3, 4, 5):
        torch.save({"model": weights, **kinds}, TARGET / f"kinds{protocol}.bin", pickle_protocol=protocol)
    torch.save({"model": weights, **kinds}, TARGET / "kinds_legacy.bin", _use_new_zipfile_serialization=False)
    objects = {"state_dict": Registry(weights), "args": argparse.Namespace(lr=0.1), "path": pathlib.PurePosixPath("a"),
               "best": numpy.float32(3), "array": numpy.arange(3), "module": torch.nn.Linear(2, 2)}
    torch.save(objects, TARGET / "objects.bin")
    torch.save({"model": torch.nn.Linear(2, 2), "epoch": 3}, TARGET / "module.bin")
    special = {"plain": torch.ones(2, 2), "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
               "int8": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8),
               "empty": torch.empty(2, 2, device="meta")}
    torch.save(special, TARGET / "special.bin")
    torch.save({"w": special["empty"], "b": torch.empty(2, device="meta")}, TARGET / "meta.bin")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(TARGET / "script.bin"))
    flat = torch.arange(24.0)
    torch.save({"a": flat[:6].view(2, 3), "b": flat[6:].view(3, 6), "c": flat[::2], "d": flat[20:]}, TARGET / "views.bin")
    # Protocol 0, as written by Python 2, in a current zip.
    with zipfile.ZipFile(TARGET / "views.bin") as views, zipfile.ZipFile(TARGET / "text.bin", "w") as archive:
        for name in views.namelist():
            content = views.read(name)
            if name.endswith("data.pkl"):
                storage = b"(S'storage'\nctorch\nFloatStorage\nV0\nS'cpu'\nI24\ntQ"
                tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"L6L\n(I3\nI6\nt(I6\nI1\ntI00\nNtR"
                # {"b": tensor, "e": [1.5, True], "f": the same list}
                content = b"(dp0\nVb\np1\n" + tensor + b"sS'e'\n(lp2\nF1.5\naI01\nasS'f'\ng2\ns."
            archive.writestr(name, content)


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    torch.save(tensors(), TARGET / "zip.bin")
    torch.save(tensors(), TARGET / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    torch.save(tensors(), TARGET / "unchecked.bin")
    torch.serialization.set_crc32_options(True)
    wrapped = {"epoch": 3, "loss": 0.5, "state_dict": collections.OrderedDict((f"module.{k}", v) for k, v in tensors().items())}
    torch.save(wrapped, TARGET / "wrapped.bin")
    with zipfile.ZipFile(TARGET / "wheel.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(TARGET / "legacy.bin", "package/weights.pth")
    with zipfile.ZipFile(TARGET / "evil.bin", "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps({"weight": Evil()}, protocol=2))
    with zipfile.ZipFile(TARGET / "bomb.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(TARGET / "zip.bin") as good:
            for name in good.namelist():
                content = good.read(name)
                archive.writestr(name, b"\0" * 50_000_000 if name.endswith("data/0") else content)
    write_kinds()
    with zipfile.ZipFile(TARGET / "deep.bin", "w") as archive:
        archive.writestr("deep/data.pkl", b"\x80\x02" + b")" + b"\x85" * 5000 + b".")
    for file in sorted(TARGET.iterdir()):
        print(file.name, file.stat().st_size)
