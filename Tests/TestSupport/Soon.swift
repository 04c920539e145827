/// How long an answer may take that must not depend on a file's content: without limits it would take for ever, or many
/// minutes. Generous, since tests are not optimised and run side by side.
public let soon: Duration = .seconds(20)
