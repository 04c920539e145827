"""Small weight files as torch.save writes them, and hostile ones → NeuralNetworkTests/Fixtures/weights/.

    python weight_fixtures.py           # torch, numpy
"""

import collections
import os
import pathlib
import pickle
import zipfile

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
    with zipfile.ZipFile(TARGET / "deep.bin", "w") as archive:
        archive.writestr("deep/data.pkl", b"\x80\x02" + b")" + b"\x85" * 5000 + b".")
    for file in sorted(TARGET.iterdir()):
        print(file.name, file.stat().st_size)
