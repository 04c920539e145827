import CONNXRuntime
import Foundation

/// A model from bytes to floats, on a GPU or the CPU.
///
/// `@unchecked Sendable`: the pointer never changes, and the library allows concurrent runs of a session.
package final class RuntimeSession: @unchecked Sendable {
    package enum Provider: Sendable, Equatable {
        /// The CPU with this number of threads.
        case cpu(threads: Int)
        /// The first CUDA GPU.
        case cuda(CUDAOptions)
    }

    /// Options of ONNX Runtime's CUDA execution provider.
    package struct CUDAOptions: Sendable, Equatable {
        /// Whether `f32` products may use TF32.
        package var allowsTF32 = false
        /// Whether images are channels last, as tensor cores need.
        package var channelsLast = true

        /// Whether a run is captured in a CUDA graph and replayed by later runs; requires one exchange per session.
        package var recordsRuns = false

        package init(allowsTF32: Bool = false, channelsLast: Bool = true, recordsRuns: Bool = false) {
            (self.allowsTF32, self.channelsLast, self.recordsRuns) = (allowsTF32, channelsLast, recordsRuns)
        }

        var entries: [(key: String, value: String)] {
            [
                ("device_id", "0"), ("use_tf32", allowsTF32 ? "1" : "0"), ("prefer_nhwc", channelsLast ? "1" : "0"),
                ("enable_cuda_graph", recordsRuns ? "1" : "0"),
                // Measured once per shape; there is only one.
                ("cudnn_conv_algo_search", "HEURISTIC"), ("cudnn_conv_use_max_workspace", "1"),
                ("arena_extend_strategy", "kSameAsRequested"),
            ]
        }
    }

    package struct Value: Sendable, Equatable {
        package let name: String
        package let shape: [Int]

        package init(_ name: String, shape: [Int]) { (self.name, self.shape) = (name, shape) }

        package var count: Int { shape.reduce(1, *) }
    }

    let pointer: OpaquePointer

    /// Loads a model.
    ///
    /// - Throws: `RuntimeError`.
    package init(model path: String, on provider: Provider) throws {
        _ = try RuntimeLibrary.load()
        var (isCUDA, threads) = (false, 1)
        var entries: [(key: String, value: String)] = []
        switch provider {
        case .cpu(let wanted): threads = wanted
        case .cuda(let options): (isCUDA, entries) = (true, options.entries)
        }
        var made: OpaquePointer?
        let failure = Self.withPointers(to: entries.map(\.key)) { keys in
            Self.withPointers(to: entries.map(\.value)) { values in
                text(onnxruntime_open(path, isCUDA, keys, values, entries.count, Int32(threads), &made))
            }
        }
        guard failure == nil, let made else { throw RuntimeError(opening: failure ?? "no session was created") }
        pointer = made
    }

    deinit { onnxruntime_close(pointer) }

    private static func withPointers<Result>(
        to texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        let copies = texts.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return copies.map { $0.map { UnsafePointer($0) } }.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}

extension RuntimeSession.Value {
    func withValue<Result>(_ body: (onnxruntime_value) -> Result) -> Result {
        name.withCString { name in
            shape.map(Int64.init).withUnsafeBufferPointer { shape in
                body(onnxruntime_value(name: name, shape: shape.baseAddress, rank: shape.count))
            }
        }
    }
}
