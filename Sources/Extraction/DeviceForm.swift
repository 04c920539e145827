import Inference
import NeuralNetwork
import ONNX
import ONNXRuntime

extension DeviceNetwork {
    /// How the network is put to the GPU.
    struct Form: Sendable, Equatable {
        /// What of it is the program's own operators.
        var operators: ModelWriter.OwnOperators
        /// The GPU repeats what it was told once.
        var isRecorded: Bool

        /// ONNX Runtime's own layers, told anew at each run.
        static let plain = Form(operators: .passes, isRecorded: false)

        /// What is tried, the fastest first: for images in `f16` NVIDIA's libraries themselves, where they take it.
        static func all(
            _ graph: Graph, _ precision: Precision, on provider: RuntimeSession.Provider?
        ) -> [Form] {
            guard provider == nil, precision == .f16, case .image? = graph.nodes.first?.shape else { return [plain] }
            return [
                Form(operators: .attention, isRecorded: true), Form(operators: .products, isRecorded: true),
                Form(operators: .products, isRecorded: false), plain,
            ]
        }
    }
}

extension RuntimeError {
    /// Whether another form of the network may do.
    var mayBeOfForm: Bool {
        switch self {
        case .refused, .failed: true
        case .missing, .noGPU, .outOfMemory: false
        }
    }
}
