import Digests
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Backbones

/// A web server on a free port of this machine that misbehaves as its paths say.
///
/// `/ok/…` serves, `/slow/…` in small pieces, `/drop/…` breaks off half way once, `/cut/…` always,
/// `/redirect/…` sends on to `/ok/…`; `/hub/…` too, stating a SHA-256 on the way; `/md5/…`, `/digest/…` and `/goog/…` state
/// digests as object stores do, `/lie/…` a wrong one; anything else is 404.
private final class TestServer: Sendable {
    let port: UInt16
    private let socket: Int32
    private let content: [UInt8]
    private let requests = Mutex<[String]>([])

    var log: [String] { requests.withLock { $0 } }

    init(content: Data) throws {
        self.content = Array(content)
        #if os(Linux)
            let listener = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            let listener = Foundation.socket(AF_INET, SOCK_STREAM, 0)
        #endif
        socket = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) | listen(listener, 8) | getsockname(listener, pointer, &length)
            }
        }
        try #require(status == 0)
        port = UInt16(bigEndian: address.sin_port)
    }

    func start() { Thread.detachNewThread { [self] in serve() } }

    func stop() { shutdown(socket, Int32(SHUT_RDWR)) }

    func address(_ behaviour: String) -> String { "http://127.0.0.1:\(port)/\(behaviour)/" }

    private func serve() {
        while true {
            let client = accept(socket, nil, nil)
            guard client >= 0 else { break }
            answer(client)
            close(client)
        }
        close(socket)
    }

    private func answer(_ client: Int32) {
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = recv(client, &buffer, buffer.count, 0)
        guard count > 0 else { return }
        let lines = String(decoding: buffer[0..<count], as: UTF8.self).components(separatedBy: "\r\n")
        let path = lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let range = lines.first { $0.lowercased().hasPrefix("range: bytes=") }
        let start = range?.split(separator: "=").last?.split(separator: "-").first.flatMap { Int($0) } ?? 0
        let earlier = requests.withLock { log in
            defer { log.append("\(path) from \(start)") }
            return log.filter { $0.hasPrefix(path + " ") }.count
        }
        let behaviour = path.split(separator: "/").first.map(String.init) ?? ""
        if behaviour == "redirect" {
            return send(client, "HTTP/1.1 302 Found\r\nLocation: /ok/\(path.dropFirst("/redirect/".count))\r\n\r\n")
        }
        let (sha256, md5) = (Self.digest(content, .sha256), Self.digest(content, .md5))
        func hex(_ data: Data) -> String { data.map { String(format: "%02x", $0) }.joined() }
        if behaviour == "hub" {
            let place = "/ok/\(path.dropFirst("/hub/".count))"
            return send(
                client,
                "HTTP/1.1 302 Found\r\nLocation: \(place)\r\nX-Linked-ETag: \"\(hex(sha256))\"\r\nETag: \"abc\"\r\n\r\n"
            )
        }
        let stated = [
            "md5": "ETag: \"\(hex(md5))\"\r\n", "lie": "X-Linked-Etag: \"\(String(repeating: "0", count: 64))\"\r\n",
            "digest": "Repr-Digest: sha-256=:\(sha256.base64EncodedString()):\r\n",
            "goog": "x-goog-hash: crc32c=AAAAAA==\r\nx-goog-hash: md5=\(md5.base64EncodedString())\r\n",
        ]
        guard ["ok", "slow", "drop", "cut"].contains(behaviour) || stated[behaviour] != nil else {
            return send(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        }
        let body = content[min(start, content.count)...]
        let status = start > 0 ? "206 Partial Content" : "200 OK"
        let place = "Content-Range: bytes \(start)-\(content.count - 1)/\(content.count)\r\n"
        send(
            client,
            "HTTP/1.1 \(status)\r\nContent-Length: \(body.count)\r\n\(start > 0 ? place : "")\(stated[behaviour] ?? "")\r\n"
        )
        let isCut = behaviour == "cut" || behaviour == "drop" && earlier == 0
        let part = isCut ? body.prefix(body.count / 2) : body
        let piece = behaviour == "slow" ? 10_000 : part.count
        for offset in stride(from: part.startIndex, to: part.endIndex, by: max(1, piece)) {
            let bytes = Array(part[offset..<min(offset + piece, part.endIndex)])
            if Foundation.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 { return }
            if behaviour == "slow" { usleep(20_000) }
        }
    }

    static func digest(_ bytes: [UInt8], _ algorithm: DigestAlgorithm) -> Data {
        guard var digest = Digest(algorithm) else { return Data() }
        digest.update(bytes)
        return Data(digest.bytes())
    }

    private func send(_ client: Int32, _ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}

@Suite struct WeightsFetcherTests {
    static let content = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) })

    static func weights(_ checksum: PublishedWeights.Checksum? = nil) -> PublishedWeights {
        let digits = String(hexDigest(content).prefix(8))
        return PublishedWeights(
            backbone: "resnet18", file: "w-\(digits).pth", path: "w-\(digits).pth", publisher: .torchvision,
            megabytes: 1,
            checksum: checksum ?? .sha256(prefix: digits), top1: 0, licence: "")
    }

    let scratch: ScratchFolder
    private let server: TestServer

    init() throws {
        scratch = try ScratchFolder()
        server = try TestServer(content: Self.content)
        server.start()
    }

    private func fetch(
        _ behaviour: String, _ weights: PublishedWeights = weights()
    ) throws -> WeightsFetcher.Fetched {
        var fetcher = WeightsFetcher(mirror: server.address(behaviour))
        fetcher.showsProgress = false
        return try fetcher.fetch(weights, to: scratch.path + "/weights")
    }

    @Test(
        "a file arrives whole, plainly, slowly, redirected or dropped on the way",
        arguments: ["ok", "slow", "redirect", "drop"])
    func arrives(behaviour: String) throws {
        defer { server.stop() }
        let file = try fetch(behaviour)
        #expect(!file.wasThere && file.isChecked)
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").count == 1)
        let before = server.log.count
        #expect(try fetch(behaviour).wasThere)
        #expect(server.log.count == before)
        if behaviour == "drop" { #expect(server.log.contains { $0.hasSuffix("from 50000") }, "\(server.log)") }
    }

    @Test("a transfer that keeps breaking off keeps what arrived, and the next try goes on from there")
    func resumes() throws {
        defer { server.stop() }
        let error = #expect(throws: FetchError.self) { try fetch("cut") }
        guard case .brokenOff(_, let bytes)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(bytes > 50_000 && bytes < 100_000)
        let file = try fetch("ok")
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
        #expect(server.log.last?.hasSuffix("from \(bytes)") == true)
    }

    @Test("weights with a text tower bring their vocabulary, named after them")
    func vocabularies() throws {
        defer { server.stop() }
        let clip = try #require(PublishedWeights.named("clip-vit-base-patch32.bin"))
        let merges = try #require(clip.companion)
        #expect(merges.file == "clip-vit-base-patch32.merges.txt" && merges.companion == nil)
        #expect(
            merges.address + merges.path
                == "https://huggingface.co/openai/clip-vit-base-patch32/resolve/main/merges.txt")
        #expect(try fetch("hub", clip).path.hasSuffix("weights/clip-vit-base-patch32.bin"))
        #expect(try fetch("hub", merges).isChecked)
        let siglip = try #require(PublishedWeights.named("siglip-base-patch16-224.safetensors"))
        #expect(siglip.companion?.file == "siglip-base-patch16-224.spiece.model")
        // Others have none, and the smaller file is what a backbone's name means.
        #expect(PublishedWeights.named("resnet18")?.companion == nil)
        #expect(PublishedWeights.named("clip_vitb32")?.publisher == .timm)
    }

    @Test("a wrong checksum leaves no file behind; MD5 is checked as Keras publishes it")
    func checksums() throws {
        defer { server.stop() }
        let wrong = Self.weights(.md5("00000000000000000000000000000000"))
        #expect(throws: FetchError.self) { try fetch("ok", wrong) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").isEmpty)
        let digits = TestServer.digest(Array(Self.content), .md5).map { String(format: "%02x", $0) }.joined()
        #expect(throws: Never.self) { try fetch("ok", Self.weights(.md5(digits))) }
    }

    @Test(
        "a digest that only the server states is checked and kept beside the file",
        arguments: [("hub", ".sha256"), ("digest", ".sha256"), ("md5", ".md5"), ("goog", ".md5")])
    func stated(behaviour: String, ending: String) throws {
        defer { server.stop() }
        let file = try fetch(behaviour, Self.weights(.stated))
        #expect(!file.wasThere && file.isChecked)
        let record = try String(contentsOfFile: file.path + ending, encoding: .utf8)
        let name = Self.weights().file
        #expect(record.hasSuffix("  \(name)\n") && record.split(separator: " ")[0].allSatisfy(\.isHexDigit))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").count == 2)
        let before = server.log.count
        #expect(try fetch(behaviour, Self.weights(.stated)).wasThere)
        #expect(server.log.count == before)
        // What was changed afterwards is fetched again.
        try Data("x".utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(try !fetch(behaviour, Self.weights(.stated)).wasThere)
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
    }

    @Test("a server that lies leaves no file behind; one that states nothing leaves a file said to be unchecked")
    func lies() throws {
        defer { server.stop() }
        let error = #expect(throws: FetchError.self) { try fetch("lie", Self.weights(.stated)) }
        #expect(error?.errorDescription?.contains("instead of 00000000") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").isEmpty)
        let file = try fetch("ok", Self.weights(.stated))
        #expect(!file.isChecked)
        #expect(try fetch("ok", Self.weights(.stated)) == .init(path: file.path, wasThere: true, isChecked: false))
    }

    @Test("404 and a server that is not there are named errors")
    func unreachable() throws {
        let address = server.address("none")
        #expect(throws: FetchError.notFound(address + Self.weights().path)) { try fetch("none") }
        server.stop()
        var fetcher = WeightsFetcher(mirror: "http://127.0.0.1:1/")
        fetcher.showsProgress = false
        #expect(throws: FetchError.self) { try fetcher.fetch(Self.weights(), to: scratch.path) }
    }

    @Test("every published file belongs to a backbone and carries a whole checksum")
    func table() {
        for weights in PublishedWeights.all {
            #expect(Backbone.named(weights.backbone) != nil)
            switch weights.checksum {
            case .sha256(let prefix):
                #expect(prefix.wholeMatch(of: /[0-9a-f]{8}|[0-9a-f]{64}/) != nil, "\(weights.file)")
            case .md5(let digits): #expect(digits.wholeMatch(of: /[0-9a-f]{32}/) != nil, "\(weights.file)")
            case .stated: #expect([.timm, .i3d, .openAI, .google].contains(weights.publisher))
            }
        }
        #expect(PublishedWeights.named("resnet50")?.file == "resnet50-11ad3fa6.pth")
        #expect(PublishedWeights.named("efficientnetb7_notop.h5")?.backbone == "efficientnet_b7")
        #expect(PublishedWeights.named("nothing") == nil)
        #expect(Set(PublishedWeights.all.map(\.file)).count == PublishedWeights.all.count)
        for name in ["vit_small_16", "dinov2_vits14", "clip_vitb32", "siglip2_b16", "convnextv2_tiny"] {
            #expect(PublishedWeights.named(name) != nil, "\(name)")
        }
    }
}
