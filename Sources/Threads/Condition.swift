import Foundation

/// A value behind a lock on whose changes threads wait. A value that no thread waits for belongs in a `Mutex`.
///
/// `@unchecked Sendable`: `value` is only accessed while `condition` is locked.
package final class Condition<Value>: @unchecked Sendable {
    private let condition = NSCondition()
    private var value: Value

    package init(_ value: sending Value) { self.value = value }

    /// Changes the value and wakes all threads that wait.
    package func update<Result: Sendable>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try condition.withLock {
            defer { condition.broadcast() }
            return try body(&value)
        }
    }

    /// Waits until `body` returns a result; it is called again after each change. It may change the value with the
    /// result.
    package func wait<Result: Sendable>(for body: (inout Value) throws -> Result?) rethrows -> Result {
        try condition.withLock {
            defer { condition.broadcast() }
            while true {
                if let result = try body(&value) { return result }
                condition.wait()
            }
        }
    }
}
