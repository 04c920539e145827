import Foundation
import Synchronization

/// Runs `count` jobs on `workers` threads of their own and hands the results, in the order in which
/// they come, to the calling thread.
///
/// Threads rather than tasks: oneDNN's thread count belongs to the thread that makes a plan. At most
/// two finished results per worker wait, so a slow consumer does not fill the memory.
///
/// - `makeWorker`: called once in each thread; gives the function that does one job.
/// - `consume`: gets each result in the calling thread; an error it throws stops the workers.
/// - Throws: the first error that a worker or `consume` threw; the jobs under way are finished first.
public func runJobs<Output: Sendable>(
    count: Int, workers: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: (Int, Output) throws -> Void
) throws {
    try runJobs(count: count, workers: workers, most: 1, makeWorker: makeWorker) { results in
        for (index, output) in results { try consume(index, output) }
    }
}

/// The same, with results that wait already handed on together, at most `most` of them, never none.
public func runJobs<Output: Sendable>(
    count: Int, workers: Int, most: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: ([(Int, Output)]) throws -> Void
) throws {
    let results = Results<Output>(producers: min(workers, count), capacity: 2 * workers)
    let next = NextIndex()
    for _ in 0..<min(workers, count) {
        let thread = Thread {
            do {
                let work = try makeWorker()
                while let index = next.take(below: count), try results.put(index, work(index)) {}
                results.finish(nil)
            } catch {
                results.finish(error)
            }
        }
        thread.stackSize = 16 << 20
        thread.start()
    }
    do {
        while let waiting = try results.take(most: most) { try consume(waiting) }
    } catch {
        results.stop()
        throw error
    }
}

private final class NextIndex: Sendable {
    private let value = Atomic<Int>(0)
    func take(below count: Int) -> Int? {
        let index = value.add(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }
}

/// A bounded queue between workers and one consumer.
///
/// `@unchecked Sendable`: every access to the mutable state is made while holding `condition`.
private final class Results<Output: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var waiting: [(Int, Output)] = []
    private var producers: Int
    private var error: (any Error)?
    private var isStopped = false

    init(producers: Int, capacity: Int) {
        self.producers = producers
        self.capacity = capacity
    }

    /// False where nobody wants results any more.
    func put(_ index: Int, _ output: Output) -> Bool {
        condition.withLock {
            while waiting.count >= capacity && !isStopped { condition.wait() }
            if isStopped { return false }
            waiting.append((index, output))
            condition.broadcast()
            return true
        }
    }

    /// A worker ended.
    func finish(_ error: (any Error)?) {
        condition.withLock {
            producers -= 1
            if let error, self.error == nil {
                self.error = error
                isStopped = true
            }
            condition.broadcast()
        }
    }

    /// The next results, one at least; nil when all workers ended.
    func take(most: Int) throws -> [(Int, Output)]? {
        try condition.withLock {
            while waiting.isEmpty && producers > 0 { condition.wait() }
            if !waiting.isEmpty {
                condition.broadcast()
                let taken = Array(waiting.prefix(most))
                waiting.removeFirst(taken.count)
                return taken
            }
            if let error { throw error }
            return nil
        }
    }

    /// Ends the workers after their current job and waits for them.
    func stop() {
        condition.withLock {
            isStopped = true
            waiting = []
            condition.broadcast()
            while producers > 0 { condition.wait() }
        }
    }
}
