import Foundation
import Threads

/// Computes `count` values in parallel and returns them in order of their indices. Each core runs one worker on a
/// thread of its own, because oneDNN's thread count is a property of the calling thread. `makeWorker`: called once in
/// each thread. Throws the first error of a worker, after the other workers have finished their current index.
func onAllCores<Made: Sendable>(
    _ count: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Made
) throws -> [Made] {
    var made: [Int: Made] = [:]
    try runJobs(count: count, workers: ProcessInfo.processInfo.activeProcessorCount) {
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        return try makeWorker()
    } consume: { index, one in
        made[index] = one
    }
    return (0..<count).compactMap { made[$0] }
}
