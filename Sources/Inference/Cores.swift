import Dispatch
import Foundation
import NeuralNetwork
import Synchronization

/// What another thread computes meanwhile.
final class Later<Value: Sendable>: Sendable {
    private let result = Guarded<Result<Value, any Error>?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    /// Starts at once, with one thread for oneDNN.
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

    /// Waits for it. To be called once.
    func value() throws -> Value {
        isDone.wait()
        guard let result = result.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }
}

/// What a worker's function gives for each index below `count`, in order of the indices. There is a worker for each
/// core, on a thread of its own: oneDNN's number of threads, one in each of these, belongs to the calling thread.
///
/// - Parameter makeWorker: called once in each thread.
/// - Throws: what a worker throws; the others then finish what they are at.
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
        // oneDNN's kernels keep tiles on the stack.
        thread.stackSize = 16 << 20
        thread.start()
    }
    group.wait()
    let all = try made.withLock { try $0.get() }
    return (0..<count).compactMap { all[$0] }
}
