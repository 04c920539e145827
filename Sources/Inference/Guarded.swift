import Foundation
import NeuralNetwork

/// A value that one thread at a time may touch. As `Mutex` of the standard library, but of a lock that
/// ThreadSanitizer knows, so that it can tell whether what is said here is true.
///
/// `@unchecked Sendable`: `value`, itself `Sendable`, is read and written while `lock` is held, and nothing else changes.
final class Guarded<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: sending Value) { self.value = value }

    /// What `body` makes of the value, which no other thread sees meanwhile.
    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
