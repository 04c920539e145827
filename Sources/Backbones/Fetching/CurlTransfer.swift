import Files
import Foundation

/// One run of curl; its response body is limited to `maximum` bytes, whatever the headers claim.
struct CurlTransfer {
    let address: String
    /// Whether http is allowed, for the address and its redirects.
    var allowsHTTP = false
    /// Maximum bytes of the complete body.
    var maximum: Int
    /// Bytes that are already present and need not be requested.
    var start = 0
    /// Validator for `If-Range`, without which `start` cannot be used.
    var validator: String?
    /// Seconds below 1,000 bytes per second after which the transfer is aborted.
    var patience = 30
    var showsProgress = false

    static let redirects = 10
    /// Maximum bytes of the headers of all responses together.
    static let headerLimit = 1 << 20

    struct Outcome {
        let code: Int32
        let headers: ResponseHeaders
        let isTooLarge: Bool
        /// Whether the receiver stopped the transfer.
        let isStopped: Bool
    }

    /// Environment variables passed to curl; its configuration file is not read.
    private static let variables = [
        "PATH", "HOME", "LANG", "LC_ALL", "COLUMNS", "TERM", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
        "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
    ]

    /// - Parameter headers: the file to which curl writes the headers.
    func arguments(headers: String) -> [String] {
        let schemes = allowsHTTP ? "=http,https" : "=https"
        // curl honours `--disable` only as the first argument.
        var result = [
            "curl", "--disable", "--globoff", "--fail", "--location", "--max-redirs", "\(Self.redirects)", "--proto",
            schemes, "--proto-redir", schemes, "--speed-limit", "1000", "--speed-time", "\(patience)",
            "--connect-timeout", "\(patience)", "--max-filesize", "\(maximum)", "--suppress-connect-headers",
            "--dump-header", headers, "--output", "-", showsProgress ? "--progress-bar" : "--silent",
        ]
        if start > 0 {
            result += ["--continue-at", "\(start)"]
            if let validator { result += ["--header", "If-Range: \(validator)"] }
        }
        return result + ["--url", address]
    }

    var isAllowed: Bool {
        let lower = address.lowercased()
        return address.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            && (lower.hasBytePrefix("https://") || allowsHTTP && lower.hasBytePrefix("http://"))
    }

    /// Runs curl until it exits. `begin`: called with the headers before the body; the transfer stops if it returns
    /// false. `receive`: called with each piece of the body. Throws `FetchError`, or the errors of `receive`.
    func run(begin: (ResponseHeaders) throws -> Bool, receive: (UnsafeRawBufferPointer) throws -> Void) throws
        -> Outcome
    {
        guard isAllowed else { throw FetchError.refusedAddress(address) }
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let headersPath = folder + "/headers"
        // The headers are complete when the body begins. The folder is removed then, so that an interrupted process
        // leaves none behind.
        var complete: ResponseHeaders?
        func headers() -> ResponseHeaders {
            if let complete { return complete }
            let data = (try? RegularFile.contents(headersPath, limit: Self.headerLimit)) ?? Data()
            return ResponseHeaders(String(decoding: data, as: UTF8.self))
        }
        let pipe = Pipe()
        let process = process(headers: headersPath, output: pipe)
        do { try process.run() } catch { throw FetchError.noCurl }
        var (isTooLarge, isStopped) = (false, false)
        do {
            var count = start
            try read(pipe.fileHandleForReading.fileDescriptor) { piece in
                if complete == nil {
                    let new = headers()
                    complete = new
                    try? FileManager.default.removeItem(atPath: folder)
                    isStopped = try !begin(new)
                }
                isTooLarge = piece.count > maximum - count
                if isStopped || isTooLarge { return false }
                count += piece.count
                try receive(piece)
                return true
            }
        } catch {
            stop(process)
            throw error
        }
        if isStopped || isTooLarge { stop(process) }
        process.waitUntilExit()
        if process.terminationStatus == 127 { throw FetchError.noCurl }
        return Outcome(
            code: process.terminationStatus, headers: headers(),
            isTooLarge: isTooLarge || process.terminationStatus == 63, isStopped: isStopped)
    }

    private func process(headers: String, output: Pipe) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments(headers: headers)
        process.environment = ProcessInfo.processInfo.environment.filter { Self.variables.contains($0.key) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        if !showsProgress { process.standardError = FileHandle.nullDevice }
        return process
    }

    /// Sends SIGKILL, because curl inherits the calling thread's signal mask, which may block SIGTERM.
    private func stop(_ process: Process) {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    /// Calls `receive` with data as it arrives, until the end or until it returns false.
    private func read(_ descriptor: Int32, _ receive: (UnsafeRawBufferPointer) throws -> Bool) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            if try !receive(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { return }
        }
    }

    /// Creates a folder that only this user can write to, so that nobody can place a link at the headers' path.
    private func temporaryFolder() throws -> String {
        var template = Array((NSTemporaryDirectory() + "zoetrope-fetch-XXXXXX").utf8CString)
        let isMade = mkdtemp(&template) != nil
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard isMade else { throw FetchError.unwritable(path, reason: String(cString: strerror(errno))) }
        return path
    }
}

extension CurlTransfer.Outcome {
    /// Whether the connection failed during the transfer, so that a retry may help.
    var isBrokenOff: Bool { [18, 28, 52, 55, 56, 92].contains(code) }

    func error(_ address: String) -> FetchError {
        if code == 22, let status = headers.status {
            return status == 404 || status == 410
                ? .notFound(address, status: status) : .refusedByServer(address, status: status)
        }
        let reason =
            switch code {
            case 22: "the server answered with an error"
            case 1: "it redirects to an address that is not allowed (only https, or http for an http mirror)"
            case 3: "the address is malformed"
            case 5, 6: "the host name is unknown"
            case 7: "no connection to the server"
            case 28: "the connection timed out"
            case 35: "the TLS handshake failed"
            case 47: "more than \(CurlTransfer.redirects) redirects"
            case 52, 56: "the connection was closed, or the answer is not valid HTTP"
            case 60: "its TLS certificate is not trusted"
            default: "curl ended with code \(code)"
            }
        return .unreachable(address, reason: reason)
    }
}
