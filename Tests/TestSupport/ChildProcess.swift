import Foundation

/// A socket that listens on a free local port; -1 if none can be opened.
package func listeningSocket() -> (descriptor: Int32, port: UInt16) {
    #if os(Linux)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            bind(listener, pointer, length) | listen(listener, 16) | getsockname(listener, pointer, &length)
        }
    }
    return (status == 0 ? listener : -1, UInt16(bigEndian: address.sin_port))
}

package struct ChildProcess {
    package struct Output: Sendable {
        /// The exit code, or the signal that ended it.
        package let status: Int32
        package let out: String
        package let error: String
    }

    package let process: Process
    private let out = Pipe()
    private let error = Pipe()

    /// Starts a program. `program`: its path, or its name, which is searched in `PATH`. `environment`: variables in
    /// addition to those of the test. Throws if it is a path that cannot be started; a name that is not found ends with
    /// status 127.
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

    package func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    package func wait() -> Output {
        // Reads both concurrently, since a full pipe blocks the program; on a separate thread that no busy queue can
        // delay.
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

    @discardableResult package static func run(
        _ program: String, _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:]
    ) throws -> Output { try ChildProcess(program, arguments, in: folder, environment: environment).wait() }
}
