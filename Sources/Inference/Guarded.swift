import Foundation
import NeuralNetwork

/// A value protected by a lock. Like the standard library's `Mutex`, but with a lock that ThreadSanitizer instruments.
///
/// `@unchecked Sendable`: `value`, itself `Sendable`, is only accessed while `lock` is held.
final class Guarded<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: sending Value) { self.value = value }

    /// Calls `body` with exclusive access to the value.
    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
