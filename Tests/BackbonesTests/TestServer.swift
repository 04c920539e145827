import Digests
import Foundation
import Synchronization
import TestSupport
import Testing
@testable import Backbones

/// A web server on a free local port; the first folder of a path selects how it misbehaves. `/ok/…` serves the file,
/// `/slow/…` in small pieces; `/drop/…` closes the connection midway once, `/cut/…` always; `/redirect/…` redirects to
/// `/ok/…`; `/hub/…` too, with a SHA-256 in a header; `/md5/…`, `/digest/…` and `/goog/…` send digests as object stores
/// do, `/lie/…` a wrong one. `/etag/…` has an `ETag` of the content and respects `If-Range`, `/deaf/…` has one and
/// ignores `If-Range`. `/endless/…` sends chunks and `/huge/…` a very long body until the client disconnects; `/page/…`
/// sends `page`; `/to/…` redirects to `target`; `/403/…` and other numbers answer with that status; anything else is
/// 404.
final class TestServer: Sendable {
    /// State that a test may change while the server runs.
    struct State {
        var content: Data
        /// The response body of `/page/…` and `/simple/…`.
        var page = Data()
        /// The address that `/to/…` redirects to.
        var target = ""
        /// Whether `/etag/…` closes the connection midway.
        var breaksOff = false, isStopped = false
        /// One `path from N` per request.
        var log: [String] = []
        var sent = 0
    }

    let port: UInt16
    let state: Mutex<State>
    private let socket: Int32

    var log: [String] { state.withLock { $0.log } }

    init(content: Data) throws {
        state = Mutex(State(content: content))
        (socket, port) = listeningSocket()
        try #require(socket >= 0)
    }

    func start() { Thread.detachNewThread { [self] in serve() } }

    func stop() {
        let wasStopped = state.withLock { state in
            defer { state.isStopped = true }
            return state.isStopped
        }
        // The descriptor may belong to another socket by then.
        if !wasStopped { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    func address(_ behaviour: String) -> String { "http://127.0.0.1:\(port)/\(behaviour)/" }

    private func serve() {
        while true {
            let client = accept(socket, nil, nil)
            if client < 0, [EINTR, ECONNABORTED, EAGAIN, EMFILE].contains(errno) { continue }
            guard client >= 0 else { break }
            answer(client)
            // A child process that another test started meanwhile may hold the descriptor, too.
            shutdown(client, Int32(SHUT_WR))
            close(client)
        }
        close(socket)
    }

    private struct Request {
        var path = "", start = 0
        var condition: String?
        var behaviour: String { path.split(separator: "/").first.map(String.init) ?? "" }
        var rest: String { String(path.dropFirst(behaviour.count + 2)) }

        init?(_ client: Int32) {
            var buffer = [UInt8](repeating: 0, count: 8192)
            var count = recv(client, &buffer, buffer.count, 0)
            while count < 0, errno == EINTR { count = recv(client, &buffer, buffer.count, 0) }
            guard count > 0 else { return nil }
            let lines = String(decoding: buffer[0..<count], as: UTF8.self).components(separatedBy: "\r\n")
            path = lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
            let range = lines.first { $0.lowercased().hasPrefix("range: bytes=") }
            start = range?.split(separator: "=").last?.split(separator: "-").first.flatMap { Int($0) } ?? 0
            condition = lines.first { $0.lowercased().hasPrefix("if-range: ") }.map { String($0.dropFirst(10)) }
        }
    }

    private func answer(_ client: Int32) {
        guard let request = Request(client) else { return }
        let (state, earlier) = self.state.withLock { state in
            let earlier = state.log.filter { $0.hasPrefix(request.path + " ") }.count
            state.log.append("\(request.path) from \(request.start)")
            return (state, earlier)
        }
        let body = Self.body(state.content, for: request.path)
        let (sha256, md5) = (Self.digest(Array(body), .sha256), Self.digest(Array(body), .md5))
        switch request.behaviour {
        case "redirect": redirect(client, to: "/ok/" + request.rest)
        case "hub":
            redirect(client, to: "/ok/" + request.rest, "X-Linked-ETag: \"\(Self.hex(sha256))\"\r\nETag: \"abc\"\r\n")
        case "to": redirect(client, to: state.target)
        case "ok", "slow": send(client, body, request)
        case "cut": send(client, body, request, isCut: true)
        case "drop": send(client, body, request, isCut: earlier == 0)
        case "md5": send(client, body, request, "ETag: \"\(Self.hex(md5))\"\r\n")
        case "lie": send(client, body, request, "X-Linked-Etag: \"\(String(repeating: "0", count: 64))\"\r\n")
        case "digest": send(client, body, request, "Repr-Digest: sha-256=:\(sha256.base64EncodedString()):\r\n")
        case "goog":
            let digests = "x-goog-hash: crc32c=AAAAAA==\r\nx-goog-hash: md5=\(md5.base64EncodedString())\r\n"
            send(client, body, request, digests)
        case "etag", "deaf":
            // 64 digits, like GitHub's.
            let tag = "\"\(Self.hex(Self.digest(Array("tag".utf8 + body), .sha256)))\""
            var request = request
            if request.behaviour == "etag", let condition = request.condition, condition != tag { request.start = 0 }
            send(client, body, request, "ETag: \(tag)\r\n", isCut: state.breaksOff)
        case "page", "simple": send(client, state.page, request)
        case "endless", "huge": sendEndlessly(client, isChunked: request.behaviour == "endless")
        default:
            let status = Int(request.behaviour) ?? 404
            sendHead(client, "\(status) Status", "Content-Length: 4")
            send(client, "none")
        }
    }

    /// The content, in the format of the path's extension.
    static func body(_ content: Data, for path: String) -> Data {
        if path.hasSuffix(".txt") { return Data(("#version: 0.2\n" + (0..<20_000).map { "a\($0) b\n" }.joined()).utf8) }
        let isZip = path.hasSuffix(".bin") || path.hasSuffix(".whl")
        return isZip ? Data([0x50, 0x4B, 0x03, 0x04]) + content.dropFirst(4) : content
    }

    private func redirect(_ client: Int32, to place: String, _ headers: String = "") {
        sendHead(client, "302 Found", "Location: \(place)\r\n\(headers)Content-Length: 0")
    }

    private func send(
        _ client: Int32, _ content: Data, _ request: Request, _ headers: String = "", isCut: Bool = false
    ) {
        let (start, body) = (request.start, Array(content.dropFirst(request.start)))
        let status = start > 0 ? "206 Partial Content" : "200 OK"
        let place = start > 0 ? "Content-Range: bytes \(start)-\(content.count - 1)/\(content.count)\r\n" : ""
        sendHead(client, status, "Content-Length: \(body.count)\r\n\(place)\(headers)")
        let isSlow = request.behaviour == "slow"
        let part = isCut ? body.prefix(body.count / 2) : body[...]
        let piece = isSlow ? 10_000 : part.count
        for offset in stride(from: part.startIndex, to: part.endIndex, by: max(1, piece)) {
            let bytes = Array(part[offset..<min(offset + piece, part.endIndex)])
            if Foundation.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 { return }
            if isSlow { usleep(20_000) }
        }
    }

    private func sendEndlessly(_ client: Int32, isChunked: Bool) {
        let kind = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 100000000000"
        sendHead(client, "200 OK", kind)
        let zeros = [UInt8](repeating: 0, count: 1 << 16)
        let chunk = isChunked ? Array("10000\r\n".utf8) + zeros + Array("\r\n".utf8) : zeros
        while Foundation.send(client, chunk, chunk.count, Int32(MSG_NOSIGNAL)) > 0 {
            state.withLock { $0.sent += zeros.count }
        }
    }

    static func digest(_ bytes: [UInt8], _ algorithm: DigestAlgorithm) -> Data {
        guard var digest = Digest(algorithm) else { return Data() }
        digest.update(bytes)
        return Data(digest.bytes())
    }

    private static func hex(_ data: Data) -> String { data.map { String(format: "%02x", $0) }.joined() }

    /// One connection serves one request, and says so: a client that reused it would send to a closed socket.
    private func sendHead(_ client: Int32, _ status: String, _ headers: String) {
        let end = headers.hasSuffix("\r\n") ? "\r\n" : "\r\n\r\n"
        send(client, "HTTP/1.1 \(status)\r\nConnection: close\r\n\(headers)\(end)")
    }

    private func send(_ client: Int32, _ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}

/// A server that stops when the last reference is released, and a folder for downloads.
final class Downloads: Sendable {
    let scratch = ScratchFolder()
    let server: TestServer
    var folder: String { scratch.path + "/weights" }

    init() throws {
        server = try TestServer(content: WeightsFetcherTests.content)
        server.start()
    }

    deinit { server.stop() }

    func fetch(_ behaviour: String, _ weights: PublishedWeights) throws -> WeightsFetcher.Fetched {
        var fetcher = WeightsFetcher(mirror: server.address(behaviour))
        fetcher.showsProgress = false
        return try fetcher.fetch(weights, to: folder)
    }
}
