import Foundation

/// How long an answer may take that must not depend on a file's content: without limits it would take for ever, or many
/// minutes. Generous, since tests are not optimised and run side by side.
package let soon: Duration = .seconds(20)

/// What the error that is thrown says; empty if none is. If it takes too long, that is what is returned.
package func refusal(_ body: () throws -> Void) -> String {
    let start = ContinuousClock.now
    var text = ""
    do { try body() } catch { text = error.localizedDescription }
    let time = ContinuousClock.now - start
    return time < soon ? text : "it took \(time)"
}

/// What the error says, if `body` throws one of this type; otherwise empty.
package func refusal<Refusal: Error, Value>(of type: Refusal.Type, _ body: () throws -> Value) -> String {
    do { _ = try body() } catch { return error is Refusal ? error.localizedDescription : "" }
    return ""
}
