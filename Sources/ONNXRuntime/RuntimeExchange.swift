import CONNXRuntime

/// Pinned memory for a run's input and output, which the GPU accesses directly. Belongs to the thread that runs it;
/// several may share a session.
package final class RuntimeExchange {
    package let input: RuntimeSession.Value
    package let output: RuntimeSession.Value
    private let session: RuntimeSession
    private let pointer: OpaquePointer

    /// - Throws: `RuntimeError`.
    package init(_ session: RuntimeSession, input: RuntimeSession.Value, output: RuntimeSession.Value) throws {
        (self.session, self.input, self.output) = (session, input, output)
        var made: OpaquePointer?
        let failure = input.withValue { input in
            output.withValue { output in text(onnxruntime_exchange_make(session.pointer, input, output, &made)) }
        }
        guard failure == nil, let made else { throw RuntimeError(running: failure ?? "no memory was allocated") }
        pointer = made
    }

    deinit { onnxruntime_exchange_destroy(pointer) }

    /// Copies bytes into the input; other bytes are unchanged.
    ///
    /// - `offset`: of the first byte.
    package func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= input.count)
        bytes.withUnsafeBufferPointer { buffer in
            guard let first = buffer.baseAddress else { return }
            onnxruntime_exchange_input(pointer).advanced(by: offset).update(from: first, count: buffer.count)
        }
    }

    /// - Throws: `RuntimeError`.
    package func run() throws {
        if let failure = text(onnxruntime_exchange_run(pointer)) { throw RuntimeError(running: failure) }
    }

    /// Elements of the output in row-major order.
    package func numbers(_ range: Range<Int>) -> [Float] {
        precondition(range.lowerBound >= 0 && range.upperBound <= output.count)
        return Array(UnsafeBufferPointer(start: onnxruntime_exchange_output(pointer), count: output.count)[range])
    }
}
