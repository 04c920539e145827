import COneDNN
import Dispatch
import Inference
import NeuralNetwork

/// Runs `body` with denormals flushed to zero in the calling thread, as in training. The previous mode is restored
/// afterwards.
package func flushingDenormals<Result>(_ body: () throws -> Result) rethrows -> Result {
    try ArithmeticLibrary.flushingDenormals(body)
}

/// Runs independent pieces of work on several threads. The division into pieces does not depend on the number of
/// threads, and each product inside a piece is computed by one thread, so results are bit-identical for any number of
/// threads.
package struct Parallel: Sendable, Equatable {
    /// At least 1.
    package let threads: Int

    package init(threads: Int) { self.threads = max(1, threads) }

    /// Runs everything in the calling thread.
    package static let none = Parallel(threads: 1)

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
            // Safe: the pieces are independent, and all have finished when `concurrentPerform` returns.
            nonisolated(unsafe) let piece = piece
            DispatchQueue.concurrentPerform(iterations: lanes) { lane in
                let control = onednn_prepare_thread()
                defer { onednn_restore_denormals(control) }
                for index in stride(from: lane, to: count, by: lanes) { piece(index) }
            }
        }
    }

    /// Splits `count` items into two ranges of nearly the same size, or one range if there are too few.
    static func halves(_ count: Int, atLeast minimum: Int = 2) -> [Range<Int>] {
        count < minimum ? [0..<count] : [0..<count / 2, count / 2..<count]
    }
}
