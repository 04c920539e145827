import Foundation

/// Another program, started by a test.
package struct ChildProcess {
    /// What a program left behind.
    package struct Output: Sendable {
        /// The exit code, or the signal that ended it.
        package let status: Int32
        /// What it printed.
        package let out: String
        /// What it printed to standard error.
        package let error: String
    }

    /// The running program.
    package let process: Process
    private let out = Pipe()
    private let error = Pipe()

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: its path, or its name, which is looked for in `PATH`.
    ///   - environment: variables beside those of the test.
    /// - Throws: where it is a path that cannot be started; a name that is not found ends with status 127.
    package init(
        _ program: String, _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:]
    ) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: program.contains("/") ? program : "/usr/bin/env")
        process.arguments = (program.contains("/") ? [] : [program]) + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.standardOutput = out
        process.standardError = error
        try process.run()
    }

    /// Sends a signal.
    package func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits for its end.
    package func wait() -> Output {
        // Both at once, for a full pipe stops the program; on a thread that no busy queue can keep back.
        let (errorFile, isRead) = (error.fileHandleForReading, DispatchSemaphore(value: 0))
        nonisolated(unsafe) var messages = Data()
        Thread.detachNewThread {
            messages = errorFile.readDataToEndOfFile()
            isRead.signal()
        }
        let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        isRead.wait()
        process.waitUntilExit()
        return Output(status: process.terminationStatus, out: text, error: String(decoding: messages, as: UTF8.self))
    }

    /// Runs a program to its end.
    @discardableResult package static func run(
        _ program: String, _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:]
    ) throws -> Output { try ChildProcess(program, arguments, in: folder, environment: environment).wait() }
}
