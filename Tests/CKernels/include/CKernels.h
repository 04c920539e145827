#ifndef CKERNELS_H
#define CKERNELS_H

// What is inside of CONNXRuntime, for its tests.

#include "../../../Sources/CONNXRuntime/GPU.h"
#include "../../../Sources/CONNXRuntime/Product.h"

#endif
