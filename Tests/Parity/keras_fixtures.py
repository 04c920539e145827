"""Small weight files as Keras writes them → BackbonesTests/Fixtures/*.h5, nested.keras.

    python keras_fixtures.py            # tensorflow, numpy

The layers are named like EfficientNet's first ones; values come from the generator under torchvision's names.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from parameters import around

TARGET = pathlib.Path(__file__).parents[1] / "BackbonesTests" / "Fixtures"


def model():
    x = image = keras.Input((8, 8, 3))
    x = keras.layers.Normalization(name="normalization")(x)
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="stem_conv")(x)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="block1a_dwconv")(x)
    x = keras.layers.Conv2D(2, 1, name="block1a_se_reduce")(x)
    return keras.Model(image, x)


if __name__ == "__main__":
    m = model()
    m.get_layer("normalization").set_weights([np.array([0.5, 0.4, 0.3], "f"), np.array([0.04, 0.09, 0.16], "f")] + m.get_layer("normalization").get_weights()[2:])
    m.get_layer("stem_conv").set_weights([around("features.0.0.weight", (4, 3, 3, 3), 0, 1).transpose(2, 3, 1, 0)])
    m.get_layer("stem_bn").set_weights([around(f"features.0.1.{leaf}", (4,), 0, 1) for leaf in ("weight", "bias", "running_mean", "running_var")])
    m.get_layer("block1a_dwconv").set_weights([around("features.1.0.block.0.0.weight", (4, 1, 3, 3), 0, 1).transpose(2, 3, 0, 1)])
    m.get_layer("block1a_se_reduce").set_weights([
        around("features.1.0.block.1.fc1.weight", (2, 4, 1, 1), 0, 1).transpose(2, 3, 1, 0), around("features.1.0.block.1.fc1.bias", (2,), 0, 1)])
    with h5py.File(TARGET / "keras2.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, m)
    m.save_weights(TARGET / "keras3.weights.h5")
    os.rename(TARGET / "keras3.weights.h5", TARGET / "keras3.h5")
    # Inside another model, with the optimiser's state of the same layers.
    outer = keras.Sequential([keras.Input((8, 8, 3)), m, keras.layers.Flatten(), keras.layers.Dense(2)])
    values = m.get_weights()
    outer.compile("adam", "mse")
    outer.fit(np.ones((2, 8, 8, 3)), np.ones((2, 2)), verbose=0)
    m.set_weights(values)
    outer.save(TARGET / "nested.h5")
    outer.save(TARGET / "nested.keras")
    # Two models with layers of the same names.
    image = keras.Input((8, 8, 3))
    other = keras.models.clone_model(m)
    other.name = "other"
    keras.Model(image, [m(image), other(image)]).save(TARGET / "two.h5")
