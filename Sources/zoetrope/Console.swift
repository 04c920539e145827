import ArgumentParser
import Foundation
import Pipelines
import Synchronization

/// Progress and messages go to standard error, results to standard output.
enum Console {
    static func message(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    static let isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1

    /// Runs a command's work and turns its errors into a message and an exit code.
    static func perform(_ work: () throws -> Void) throws {
        do {
            try work()
        } catch let error as ExitCode {
            throw error
        } catch {
            let text = (error as? any LocalizedError)?.errorDescription ?? error.localizedDescription
            message("error: " + text)
            throw ExitCode(error is PipelineError ? 2 : 1)
        }
    }

    static let interrupted = ExitCode(130)
    static let someFailed = ExitCode(3)
}

/// Ctrl-C asks the work to end; a second one ends the process.
enum Interruption {
    static var isRequested: Bool { interruptionFlag.load(ordering: .relaxed) }

    static func install() {
        _ = isRequested  // The flag exists before a handler can touch it.
        // Whoever started us may have had the signals blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] {
            signal(number, noteInterruption)
            sigaddset(&signals, number)
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}

private let interruptionFlag = Atomic<Bool>(false)

private func noteInterruption(_ number: Int32) {
    interruptionFlag.store(true, ordering: .relaxed)
    signal(number, SIG_DFL)
}

/// One line that is redrawn on a terminal; now and then a plain line elsewhere.
final class ProgressLine {
    private var lastDraw = ContinuousClock.now - .seconds(3600)
    private var isDrawn = false
    private let interval: Duration

    init() { interval = Console.isTerminal ? .milliseconds(100) : .seconds(10) }

    /// - Parameter force: whether the line appears even if the last one is recent.
    func show(force: Bool = false, _ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard force || now - lastDraw >= interval else { return }
        lastDraw = now
        if Console.isTerminal {
            FileHandle.standardError.write(Data("\r\u{1B}[K\(text())".utf8))
            isDrawn = true
        } else {
            Console.message(text())
        }
    }

    /// Clears the line, so that something else can be printed.
    func clear() {
        if isDrawn { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        isDrawn = false
        lastDraw = ContinuousClock.now - .seconds(3600)
    }

    /// `███░░░ 12/40`.
    static func bar(_ done: Int, of total: Int) -> String {
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
