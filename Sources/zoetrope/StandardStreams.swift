import Foundation
import Synchronization

/// Standard output and standard error. A failed write does not stop the work: results are stored nevertheless, and the
/// exit code reports the failure at the end.
enum StandardStreams {
    enum Stream: Int32, CaseIterable {
        case input = 0
        case output = 1
        case error = 2
    }

    private struct State {
        var closed: Set<Stream> = []
        /// The system's error number of the first failed write.
        var failures: [Stream: Int32] = [:]
        /// Whether this program was started with SIGPIPE ignored.
        var ignoresBrokenPipes = false
    }

    private static let state = Mutex(State())

    /// Must be called before any file is opened.
    ///
    /// A closed stream's descriptor would be reused for the next file, and messages would be written into that file;
    /// therefore `/dev/null` takes its place.
    static func prepare() {
        state.withLock { state in
            for stream in Stream.allCases where fcntl(stream.rawValue, F_GETFD) < 0 && errno == EBADF {
                let opened = open("/dev/null", O_RDWR)
                if opened >= 0, opened != stream.rawValue {
                    dup2(opened, stream.rawValue)
                    close(opened)
                }
                state.closed.insert(stream)
            }
            // A handler instead of SIG_IGN, which child processes would inherit.
            let before = signal(SIGPIPE) { _ in }
            state.ignoresBrokenPipes = unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
            if state.ignoresBrokenPipes { signal(SIGPIPE, SIG_IGN) }
        }
    }

    /// Writes the text, or records why that failed. After a failure nothing more is written to the stream.
    static func write(_ text: String, to stream: Stream) {
        state.withLock { state in
            guard state.failures[stream] == nil else { return }
            var text = text
            let isClosed = state.closed.contains(stream)
            let code = isClosed ? EBADF : text.withUTF8 { send(UnsafeRawBufferPointer($0), stream) }
            if code != 0 { state.failures[stream] = code }
        }
    }

    /// - Returns: 0, or the system's error number.
    private static func send(_ bytes: UnsafeRawBufferPointer, _ stream: Stream) -> Int32 {
        var rest = bytes
        while !rest.isEmpty {
            let count = Foundation.write(stream.rawValue, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: stream.rawValue, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    /// The exit code of a command that ended with `code`: non-zero if output failed.
    ///
    /// Does not return if the only failure is a closed pipe, as after `| head -1`: the process then ends by SIGPIPE, as
    /// other programs do.
    static func exitCode(after code: Int32) -> Int32 {
        let (failures, ignoresBrokenPipes) = state.withLock { ($0.failures, $0.ignoresBrokenPipes) }
        guard code == 0, let (stream, reason) = failures.min(by: { $0.key.rawValue < $1.key.rawValue }) else {
            return code
        }
        if !ignoresBrokenPipes, failures.values.allSatisfy({ $0 == EPIPE }) {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        let name = stream == .output ? "Standard output" : "Standard error"
        let why = reason == EBADF ? "it is closed" : String(cString: strerror(reason))
        write(
            "error: \(name) could not be written: \(why). Stored results are kept; run the command again with an "
                + "output that can be written to.\n", to: .error)
        return 1
    }
}
