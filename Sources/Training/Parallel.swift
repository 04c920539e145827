import COneDNN
import Dispatch
import Inference
import NeuralNetwork

/// Runs a computation in which the calling thread treats numbers below 1e-38 as zero, as training does. Afterwards the thread
/// computes as before.
public func flushingDenormals<Result>(_ body: () throws -> Result) rethrows -> Result {
    try ArithmeticLibrary.flushingDenormals(body)
}

/// Runs independent pieces of work on several threads. How work is cut into pieces never depends on the
/// number of threads, and every product inside a piece is computed by one thread: results are the same to
/// the bit however many threads there are.
public struct Parallel: Sendable, Equatable {
    /// At least 1.
    public let threads: Int

    /// At most `threads` pieces at a time.
    public init(threads: Int) { self.threads = max(1, threads) }

    /// Everything in the calling thread.
    public static let none = Parallel(threads: 1)

    /// Calls `piece` once for each index below `count`, in any order.
    func run(_ count: Int, _ piece: (Int) -> Void) {
        if threads == 1 || count < 2 {
            let control = onednn_prepare_thread()
            defer { onednn_restore_denormals(control) }
            for index in 0..<count { piece(index) }
            return
        }
        let lanes = min(threads, count)
        withoutActuallyEscaping(piece) { piece in
            // Safe: the pieces are independent, and all of them have ended when `concurrentPerform` returns.
            nonisolated(unsafe) let piece = piece
            DispatchQueue.concurrentPerform(iterations: lanes) { lane in
                let control = onednn_prepare_thread()
                defer { onednn_restore_denormals(control) }
                for index in stride(from: lane, to: count, by: lanes) { piece(index) }
            }
        }
    }

    /// `count` things in pieces of nearly the same size, two where there is enough to share.
    static func halves(_ count: Int, atLeast minimum: Int = 2) -> [Range<Int>] {
        count < minimum ? [0..<count] : [0..<count / 2, count / 2..<count]
    }
}
