import Dispatch
import Foundation
import NeuralNetwork
import Synchronization

/// A value computed by another thread.
final class Later<Value: Sendable>: Sendable {
    private let result = Guarded<Result<Value, any Error>?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    /// Starts immediately, with one oneDNN thread.
    init(_ compute: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            ArithmeticLibrary.setThreadsOfCallingThread(1)
            let computed = Result { try compute() }
            result.withLock { $0 = computed }
            isDone.signal()
        }
        thread.stackSize = 16 << 20
        thread.start()
    }

    /// Waits for the value. May be called once.
    func value() throws -> Value {
        isDone.wait()
        guard let result = result.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }
}

/// Computes `count` values in parallel and returns them in order of their indices. Each core runs one worker on a
/// thread of its own, because oneDNN's thread count is a property of the calling thread.
///
/// - Parameter makeWorker: called once in each thread.
/// - Throws: the first error of a worker, after the other workers have finished their current index.
func onAllCores<Made: Sendable>(
    _ count: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Made
) throws -> [Made] {
    let made = Guarded<Result<[Int: Made], any Error>>(.success([:]))
    let next = Atomic<Int>(0)
    let group = DispatchGroup()
    for _ in 0..<min(ProcessInfo.processInfo.activeProcessorCount, count) {
        group.enter()
        let thread = Thread {
            ArithmeticLibrary.setThreadsOfCallingThread(1)
            let result = Result {
                let work = try makeWorker()
                var index = next.add(1, ordering: .relaxed).oldValue
                while index < count {
                    let one = try work(index)
                    made.withLock { $0 = $0.map { $0.merging([index: one]) { $1 } } }
                    index = next.add(1, ordering: .relaxed).oldValue
                }
            }
            if case .failure(let error) = result {
                next.store(count, ordering: .relaxed)
                made.withLock { $0 = .failure(error) }
            }
            group.leave()
        }
        // oneDNN's kernels allocate tiles on the stack.
        thread.stackSize = 16 << 20
        thread.start()
    }
    group.wait()
    let all = try made.withLock { try $0.get() }
    return (0..<count).compactMap { all[$0] }
}
