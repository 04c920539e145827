import Synchronization

extension Mutex<Void> {
    /// Calls `body` while no other thread does.
    package func serially<Result>(_ body: () throws -> Result) throws -> Result {
        try withLock { _ in Local(value: try body()) }.value
    }
}

/// `@unchecked Sendable`: the value is returned to the thread that made it.
private struct Local<Value>: @unchecked Sendable { let value: Value }
