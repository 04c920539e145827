import CONNXRuntime

/// Memory that one run's input and output pass through, which a GPU reads and writes by itself. Belongs to whoever runs
/// it; several may share a session.
public final class RuntimeExchange {
    /// What the model reads.
    public let input: RuntimeSession.Value
    /// What it gives.
    public let output: RuntimeSession.Value
    private let session: RuntimeSession
    private let pointer: OpaquePointer

    /// - Throws: `RuntimeError`.
    public init(_ session: RuntimeSession, input: RuntimeSession.Value, output: RuntimeSession.Value) throws {
        (self.session, self.input, self.output) = (session, input, output)
        var made: OpaquePointer?
        let failure = input.withValue { input in
            output.withValue { output in text(onnxruntime_exchange_make(session.pointer, input, output, &made)) }
        }
        guard failure == nil, let made else { throw RuntimeError(running: failure ?? "no memory was given") }
        pointer = made
    }

    deinit { onnxruntime_exchange_destroy(pointer) }

    /// Puts bytes into the input; the rest of it stays.
    ///
    /// - Parameter offset: of the first one.
    public func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= input.count)
        bytes.withUnsafeBufferPointer { buffer in
            guard let first = buffer.baseAddress else { return }
            onnxruntime_exchange_input(pointer).advanced(by: offset).update(from: first, count: buffer.count)
        }
    }

    /// Runs the model.
    ///
    /// - Throws: `RuntimeError`.
    public func run() throws {
        if let failure = text(onnxruntime_exchange_run(pointer)) { throw RuntimeError(running: failure) }
    }

    /// Numbers of the output, in row-major order.
    public func numbers(_ range: Range<Int>) -> [Float] {
        precondition(range.lowerBound >= 0 && range.upperBound <= output.count)
        return Array(UnsafeBufferPointer(start: onnxruntime_exchange_output(pointer), count: output.count)[range])
    }
}
