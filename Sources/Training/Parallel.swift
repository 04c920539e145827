import COneDNN
import Inference
import Threads

/// As `ArithmeticLibrary.flushingDenormals`.
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
        let lanes = min(threads, max(1, count))
        concurrently(lanes) { lane in
            let control = onednn_prepare_thread()
            defer { onednn_restore_denormals(control) }
            for index in stride(from: lane, to: count, by: lanes) { piece(index) }
        }
    }

    /// Splits `count` items into two ranges of nearly the same size, or one range if there are too few.
    static func halves(_ count: Int) -> [Range<Int>] {
        count < 2 ? [0..<count] : [0..<count / 2, count / 2..<count]
    }
}
