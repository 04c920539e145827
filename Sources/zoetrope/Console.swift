import ArgumentParser
import Escaping
import Extraction
import Foundation
import PipelineFile
import Reports
import Synchronization
import Threads
import Video

/// Progress and messages are written to standard error, results to standard output.
enum Console {
    static func message(_ text: TerminalText) { StandardStreams.write(text.text + "\n", to: .error) }

    static func print(_ text: TerminalText) { StandardStreams.write(text.text + "\n", to: .output) }

    /// Prints a result of several lines whose parts were already escaped, such as a table.
    static func print(lines: String) { print(TerminalText(lines: lines)) }

    /// Prints JSON, with control characters as `\uXXXX`.
    static func print(json: String) { StandardStreams.write(Escaping.json(json) + "\n", to: .output) }

    /// Prints ArgumentParser's help, version or completion script unchanged.
    static func print(help text: String) { StandardStreams.write(text + "\n", to: .output) }

    static let isTerminal = isatty(STDERR_FILENO) == 1

    /// Runs a command and converts its errors to a message and an exit code.
    static func perform(_ work: () throws -> Void) throws {
        do {
            try work()
        } catch let error as ExitCode {
            throw error
        } catch {
            let text = (error as? any LocalizedError)?.errorDescription ?? error.localizedDescription
            message("error: \(text)")
            throw ExitCode(error is PipelineError ? 2 : 1)
        }
    }

    /// Runs work that Ctrl-C cancels. Throws `interrupted` if the work throws `FeatureExtractor.Cancelled`.
    static func interruptible<Result>(_ work: (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Result) throws
        -> Result
    {
        Interruption.install()
        do { return try work { Interruption.isRequested } } catch is FeatureExtractor.Cancelled { throw interrupted }
    }

    /// Runs work on one of several videos. Prints a message and returns nil if it throws `VideoError`, so that others
    /// are processed.
    static func attempt<Result>(_ work: () throws -> Result) throws -> Result? {
        do { return try work() } catch let error as VideoError {
            message("failed: " + error.localizedDescription)
            return nil
        }
    }

    /// - Throws: the exit code if only some videos, or none, succeeded.
    static func exit(after done: Int, of total: Int) throws {
        if done == 0 { throw ExitCode(1) }
        if done < total { throw someFailed }
    }

    static let interrupted = ExitCode(130)
    static let someFailed = ExitCode(3)
}

/// The first Ctrl-C requests cancellation; the second one ends the process.
///
/// The signals are blocked in all threads and awaited by a dedicated thread: a handler would run on the stack of an
/// arbitrary thread, possibly inside generated kernels.
enum Interruption {
    static var isRequested: Bool { interruptionFlag.load(ordering: .relaxed) }

    /// Must be called before other threads are created, because they inherit the signal mask.
    static func install() { installed }

    private static let installed: Void = {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] {
            // The parent process may have set them to be ignored.
            signal(number, SIG_DFL)
            sigaddset(&signals, number)
        }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let awaited = signals
        startThread {
            var awaited = awaited
            var number: Int32 = 0
            guard sigwait(&awaited, &number) == 0 else { return }
            interruptionFlag.store(true, ordering: .relaxed)
            pthread_sigmask(SIG_UNBLOCK, &awaited, nil)
            // The thread continues, so that a second Ctrl-C is received.
            while true { sleep(3600) }
        }
    }()
}

private let interruptionFlag = Atomic<Bool>(false)

/// A line that is redrawn on a terminal, or printed at intervals elsewhere.
final class ProgressLine {
    private var lastDraw = ContinuousClock.now - .seconds(3600)
    private var isDrawn = false
    private let interval: Duration

    init() { interval = Console.isTerminal ? .milliseconds(100) : .seconds(10) }

    /// - `force`: whether to print even if the last update is recent.
    func show(force: Bool = false, _ text: @autoclosure () -> TerminalText) {
        let now = ContinuousClock.now
        guard force || now - lastDraw >= interval else { return }
        lastDraw = now
        if Console.isTerminal {
            StandardStreams.write("\r\u{1B}[K\(text().text)", to: .error)
            isDrawn = true
        } else {
            Console.message(text())
        }
    }

    /// Shows progress as a bar with further text; the last step is always shown.
    func step(_ what: String, _ done: Int, of total: Int, _ rest: TerminalText = "") {
        let padding = String(repeating: " ", count: max(1, 10 - what.count))
        show(force: done == total, "\(what)\(padding)\(Self.bar(done, of: total))\(rest)")
    }

    func clear() {
        if isDrawn { StandardStreams.write("\r\u{1B}[K", to: .error) }
        isDrawn = false
        lastDraw = ContinuousClock.now - .seconds(3600)
    }

    /// `███░░░ 12/40`.
    private static func bar(_ done: Int, of total: Int) -> String {
        let width = 24
        let filled = total > 0 ? done * width / total : width
        let blocks = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        return "\(blocks) \(done)/\(total)"
    }

    /// `1:05` or `2:03:04`.
    static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "–" }
        let whole = Int(seconds.rounded())
        let tail = String(format: "%02d", whole % 60)
        if whole < 3600 { return "\(whole / 60):\(tail)" }
        return "\(whole / 3600):" + String(format: "%02d", whole / 60 % 60) + ":" + tail
    }
}

/// Text for the terminal. Literals are trusted; every interpolated value may come from a file, a cache or the command
/// line and is escaped completely, newlines included, so that no name can move the cursor or forge a line.
struct TerminalText: ExpressibleByStringInterpolation {
    let text: String

    init(stringLiteral value: String) { text = value }
    init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    /// Lines assembled from escaped parts, such as a `TextTable`: everything except newlines is escaped.
    init(lines: String) { text = Escaping.visible(lines, keepingLines: true) }

    init(joining parts: [TerminalText], separator: TerminalText) {
        text = parts.map(\.text).joined(separator: separator.text)
    }

    private init(escaped: String) { text = escaped }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }
        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            text += Escaping.visible("\(value)")
        }
        mutating func appendInterpolation(_ value: TerminalText) { text += value.text }
        mutating func appendInterpolation(lines: String) { text += TerminalText(lines: lines).text }
    }

    static func + (first: TerminalText, second: TerminalText) -> TerminalText {
        TerminalText(escaped: first.text + second.text)
    }

    @_disfavoredOverload
    static func + (first: TerminalText, second: String) -> TerminalText {
        TerminalText(escaped: first.text + Escaping.visible(second))
    }
}
