"""Heads created by Keras and saved in the formats of Keras 2 and Keras 3 → SequenceModelsTests/Fixtures/{gru,bilstm}{2,3}.h5,
and their predictions for a masked batch → keras_heads.json.

    python keras_head_fixtures.py       # tensorflow, numpy
"""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import numpy as np
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from parameters import around

STEPS, SIZE, CLASSES, LENGTHS = 7, 6, 3, [4, 7, 1, 7, 3]
TARGET = pathlib.Path(__file__).parents[1] / "SequenceModelsTests" / "Fixtures"


def gru(x, mask):
    h = layers.GRU(5, return_sequences=True)(x, mask=mask)
    h = layers.Dropout(0.4)(layers.GRU(4)(h, mask=mask))
    return layers.Dense(8, activation="relu")(h)


def bilstm(x, mask):
    h = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(layers.Dense(5)(x), mask=mask)
    return layers.Bidirectional(layers.LSTM(3))(h, mask=mask)


if __name__ == "__main__":
    x = around("input", (len(LENGTHS), STEPS, SIZE), 0, 1.5)
    valid = np.arange(STEPS)[None] < np.array(LENGTHS)[:, None]
    predictions = {}
    for head in (gru, bilstm):
        features, mask = layers.Input((STEPS, SIZE)), layers.Input((STEPS,), dtype="bool")
        model = keras.Model([features, mask], layers.Dense(CLASSES, activation="softmax")(head(features, mask)))
        model.set_weights([around(f"{head.__name__} {i}", w.shape, 0, 0.7) for i, w in enumerate(model.get_weights())])
        predictions[head.__name__] = model.predict([x, valid], verbose=0).flatten().tolist()
        with h5py.File(TARGET / f"{head.__name__}2.h5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        model.save_weights(TARGET / "x.weights.h5")
        os.rename(TARGET / "x.weights.h5", TARGET / f"{head.__name__}3.h5")
    content = {"lengths": LENGTHS, "steps": STEPS, "size": SIZE, "classes": CLASSES, "probabilities": predictions}
    (TARGET / "keras_heads.json").write_text(json.dumps(content))
