import Dispatch
import Foundation
import Synchronization

/// Starts a thread whose stack is large enough for the tiles of oneDNN's kernels.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.stackSize = 16 << 20
    thread.start()
}

/// A value computed by another thread.
package final class Future<Value: Sendable>: Sendable {
    private let result = Condition<Result<Value, any Error>?>(nil)

    /// Starts immediately.
    package init(_ compute: @escaping @Sendable () throws -> Value) {
        startThread { [result] in
            let computed = Result { try compute() }
            result.update { $0 = computed }
        }
    }

    /// Waits for the value. Throws the error of the computation.
    package func value() throws -> Value { try result.wait { $0 }.get() }
}

/// Calls `body` for each index below `count`, on the cores, and returns when all calls have.
package func concurrently(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
        // Safe: `concurrentPerform` returns after the last call.
        nonisolated(unsafe) let body = body
        DispatchQueue.concurrentPerform(iterations: count) { body($0) }
    }
}

/// The values for all indices below `count` in order, computed on the cores. Throws an error of `body`.
package func concurrentMap<Value: Sendable, Failure: Error>(
    _ count: Int, _ body: @Sendable (Int) throws(Failure) -> Value
) throws(Failure) -> [Value] {
    let made = Mutex([Result<Value, Failure>?](repeating: nil, count: count))
    concurrently(count) { index in
        let value = Result { () throws(Failure) in try body(index) }
        made.withLock { $0[index] = value }
    }
    var values: [Value] = []
    for result in made.withLock(\.self) {
        if let result { values.append(try result.get()) }
    }
    return values
}

/// Runs `count` jobs on `workers` threads and passes the results, in order of completion, to the calling thread.
///
/// Threads rather than tasks, because oneDNN's thread count is a property of the thread that creates a plan. At most
/// two finished results per worker wait, so that a slow consumer does not fill the memory.
///
/// - `makeWorker`: called once in each thread; returns the function that runs one job.
/// - `consume`: receives each result in the calling thread; an error stops the workers.
/// - Throws: the first error of a worker or of `consume`, after the running jobs have finished.
package func runJobs<Output: Sendable>(
    count: Int, workers: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: (Int, Output) throws -> Void
) throws {
    try runJobs(count: count, workers: workers, most: 1, makeWorker: makeWorker) { results in
        for (index, output) in results { try consume(index, output) }
    }
}

/// As above; results that are already waiting are passed on together, at least one and at most `most`.
package func runJobs<Output: Sendable>(
    count: Int, workers: Int, most: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: ([(Int, Output)]) throws -> Void
) throws {
    let results = BoundedQueue<(Int, Output)>(producers: min(workers, count), capacity: 2 * workers)
    let next = Counter()
    for _ in 0..<min(workers, count) {
        startThread {
            do {
                let work = try makeWorker()
                while let index = next.take(below: count), try results.put((index, work(index))) {}
                results.finish()
            } catch {
                results.finish(error)
            }
        }
    }
    do {
        while let waiting = try results.take(most: most) { try consume(waiting) }
    } catch {
        results.stop()
        throw error
    }
}

/// Hands out indices to several threads.
private final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    /// The next index from 0; nil if it is not below `count`.
    func take(below count: Int) -> Int? {
        let index = value.add(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }
}
