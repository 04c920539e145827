import Inference
import NeuralNetwork
import ONNX
import ONNXRuntime

/// How the network is exported for the GPU.
struct DeviceGraphVariant: Sendable, Equatable {
    /// Which of the program's own operators replace ONNX Runtime's.
    var operators: ModelWriter.CustomOperators
    /// Whether runs are captured in a CUDA graph.
    var isRecorded: Bool

    /// ONNX Runtime's own layers without graph capture.
    static let plain = DeviceGraphVariant(operators: .passes, isRecorded: false)

    /// The variants to try, fastest first: for images in `f16` own operators that call NVIDIA's libraries, if these
    /// support the layers.
    static func all(
        _ graph: Graph, _ precision: Precision, on provider: RuntimeSession.Provider?
    ) -> [DeviceGraphVariant] {
        guard provider == nil, precision == .f16, case .image? = graph.nodes.first?.shape else { return [plain] }
        return [
            DeviceGraphVariant(operators: .attention, isRecorded: true),
            DeviceGraphVariant(operators: .products, isRecorded: true),
            DeviceGraphVariant(operators: .products, isRecorded: false), plain,
        ]
    }
}

extension RuntimeError {
    /// Whether another variant of the network may succeed.
    var mayDependOnVariant: Bool {
        switch self {
        case .refused, .failed: true
        case .missing, .noGPU, .outOfMemory: false
        }
    }
}
