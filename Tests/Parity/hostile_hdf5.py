"""Writes HDF5 files that refer to other files or need plugins, into Tests/NeuralNetworkTests/Fixtures/hdf5.

    pip install h5py numpy
    python Tests/Parity/hostile_hdf5.py

`KerasFile` must reject each of them, and read `fine.h5` and `soft.h5`.
"""
import os
import h5py
import numpy as np

FOLDER = os.path.join(os.path.dirname(__file__), "..", "NeuralNetworkTests", "Fixtures", "hdf5")
VALUES = np.arange(6, dtype="f4").reshape(2, 3)


def write(name, fill):
    with h5py.File(os.path.join(FOLDER, name + ".h5"), "w", libver="earliest") as file:
        group = file.create_group("dense/dense")
        group.create_dataset("kernel:0", data=VALUES)
        fill(file)


def external_storage(file):
    # The first bytes of /etc/passwd would become weights of the model.
    file.create_dataset("secret/secret/kernel:0", shape=(16,), dtype="u1", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(2, 3), dtype="f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "data", shape=(2, 3))
    file.create_virtual_dataset("virtual", layout)


def external_link(file):
    file["link"] = h5py.ExternalLink("/tmp/other.h5", "/data")


def soft_to_external(file):
    # The soft link itself is inside the file; its target is not.
    file["zlink"] = h5py.ExternalLink("/tmp/other.h5", "/")
    file["asoft"] = h5py.SoftLink("/zlink/data")


def unknown_filter(file):
    # 32008, bitshuffle: as a mandatory filter of a chunked dataset, whose chunk is written directly.
    space = h5py.h5s.create_simple((2, 3))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2, 3))
    properties.set_deflate(4)
    data = h5py.h5d.create(file.id, b"packed", h5py.h5t.IEEE_F32LE, space, dcpl=properties)
    data.write_direct_chunk((0, 0), VALUES.tobytes(), filter_mask=0)


def soft(file):
    file["soft"] = h5py.SoftLink("/dense/dense/kernel:0")
    file["dangling"] = h5py.SoftLink("/none")


os.makedirs(FOLDER, exist_ok=True)
write("checked", lambda file: file.create_dataset("packed/packed/bias:0", data=np.arange(64, dtype="f4"), chunks=(64,), fletcher32=True))
write("fine", lambda file: file.create_dataset("packed/packed/bias:0", data=np.ones(64, "f4"), compression="gzip", shuffle=True))
write("soft", soft)
write("external-storage", external_storage)
write("virtual", virtual)
write("external-link", external_link)
write("soft-to-external", soft_to_external)
write("unknown-filter", unknown_filter)
# libhdf5 writes no unknown filter: the identifier of deflate (1) is replaced by 32008 in the filter message.
path = os.path.join(FOLDER, "unknown-filter.h5")
with open(path, "rb") as file:
    content = file.read()
old = b"\x01\x00\x08\x00\x01\x00\x01\x00deflate\x00"
assert content.count(old) == 1, content.count(old)
with open(path, "wb") as file:
    file.write(content.replace(old, b"\x08\x7d" + old[2:]))
for name in sorted(os.listdir(FOLDER)):
    print(name, os.path.getsize(os.path.join(FOLDER, name)))
