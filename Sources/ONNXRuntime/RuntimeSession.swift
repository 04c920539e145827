import CONNXRuntime
import Foundation

/// A model that turns bytes into numbers, on a GPU or on this processor.
///
/// `@unchecked Sendable`: the pointer never changes, and the library lets several threads run one session at the same
/// time.
public final class RuntimeSession: @unchecked Sendable {
    /// Where a model runs.
    public enum Provider: Sendable, Equatable {
        /// This processor, with so many threads.
        case cpu(threads: Int)
        /// The first GPU that CUDA shows.
        case cuda(CUDAOptions)
    }

    /// What ONNX Runtime's CUDA provider is told.
    public struct CUDAOptions: Sendable, Equatable {
        /// Whether products of `f32` numbers may round their factors to ten bits of fraction.
        public var allowsTF32 = false
        /// Whether images lie channels last, as tensor cores want them.
        public var channelsLast = true

        /// Whether the GPU repeats the second run at later ones, rather than be told each step again: for one exchange a
        /// session.
        public var recordsRuns = false

        /// As stated.
        public init(allowsTF32: Bool = false, channelsLast: Bool = true, recordsRuns: Bool = false) {
            (self.allowsTF32, self.channelsLast, self.recordsRuns) = (allowsTF32, channelsLast, recordsRuns)
        }

        var entries: [(key: String, value: String)] {
            [
                ("device_id", "0"), ("use_tf32", allowsTF32 ? "1" : "0"), ("prefer_nhwc", channelsLast ? "1" : "0"),
                ("enable_cuda_graph", recordsRuns ? "1" : "0"),
                // Measured once for each shape; there is only one.
                ("cudnn_conv_algo_search", "HEURISTIC"), ("cudnn_conv_use_max_workspace", "1"),
                ("arena_extend_strategy", "kSameAsRequested"),
            ]
        }
    }

    /// An input or an output.
    public struct Value: Sendable, Equatable {
        /// Its name in the model.
        public let name: String
        /// Numbers along each axis.
        public let shape: [Int]

        /// Both parts, as they are.
        public init(_ name: String, shape: [Int]) { (self.name, self.shape) = (name, shape) }

        /// Numbers in all.
        public var count: Int { shape.reduce(1, *) }
    }

    let pointer: OpaquePointer

    /// Reads a model.
    ///
    /// - Throws: `RuntimeError`.
    public init(model path: String, on provider: Provider) throws {
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
        guard failure == nil, let made else { throw RuntimeError(opening: failure ?? "no session was made") }
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
