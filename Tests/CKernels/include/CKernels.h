#ifndef CKERNELS_H
#define CKERNELS_H

// The internals of CONNXRuntime, for its tests.

#include "../../../Sources/CONNXRuntime/GPU.h"
#include "../../../Sources/CONNXRuntime/Product.h"

/// The functions of the loaded library.
static inline const OrtApi *loaded_api(void) { return ort; }

#endif
