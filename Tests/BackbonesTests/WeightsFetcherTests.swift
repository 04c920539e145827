import Digests
import Foundation
import TestSupport
import Testing
@testable import Backbones

@Suite(.timeLimit(.minutes(2))) struct WeightsFetcherTests {
    /// A safetensors file of 100000 bytes.
    static let content = safetensors(seed: 31)

    static func safetensors(seed: Int) -> Data {
        let header = #"{"w":{"dtype":"F32","shape":[24900],"data_offsets":[0,99600]}}"#
        let padded = Array(header.utf8) + [UInt8](repeating: 0x20, count: 392 - header.utf8.count)
        let values = (0..<99_600).map { UInt8(truncatingIfNeeded: $0 &* seed &+ $0 / 256) }
        return Data([136, 1, 0, 0, 0, 0, 0, 0] + padded + values)
    }

    static func weights(_ checksum: PublishedWeights.Checksum? = nil) -> PublishedWeights {
        let digits = String(hexDigest(content).prefix(8))
        return PublishedWeights(
            backbone: "resnet18", file: "w-\(digits).safetensors", path: "w-\(digits).safetensors",
            publisher: .torchvision, megabytes: 0.1, checksum: checksum ?? .sha256(prefix: digits), top1: 0, licence: ""
        )
    }

    private let place: Downloads
    private var scratch: ScratchFolder { place.scratch }
    private var server: TestServer { place.server }

    init() throws { place = try Downloads() }

    private func fetch(_ behaviour: String, _ weights: PublishedWeights = weights()) throws -> WeightsFetcher.Fetched {
        try place.fetch(behaviour, weights)
    }

    @Test(
        "a file is downloaded completely, also from slow, redirecting or interrupted servers",
        arguments: ["ok", "slow", "redirect", "drop"])
    func arrives(behaviour: String) throws {
        let file = try fetch(behaviour)
        #expect(!file.wasThere && file.isChecked)
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").count == 1)
        let before = server.log.count
        #expect(try fetch(behaviour).wasThere)
        #expect(server.log.count == before)
        if behaviour == "drop" { #expect(server.log.contains { $0.hasSuffix("from 50000") }, "\(server.log)") }
    }

    @Test("an interrupted download keeps its bytes, and the next attempt resumes it")
    func resumes() throws {
        let error = #expect(throws: FetchError.self) { try fetch("cut") }
        guard case .brokenOff(_, let bytes)? = error else { throw Unexpected(found: error) }
        #expect(bytes > 50_000 && bytes < 100_000)
        let file = try fetch("ok")
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
        #expect(server.log.last?.hasSuffix("from \(bytes)") == true)
    }

    @Test("weights with a text tower are downloaded with their vocabulary, which is named after them")
    func vocabularies() throws {
        let clip = try #require(PublishedWeights.named("clip-vit-base-patch32.bin"))
        let merges = try #require(clip.companion)
        #expect(merges.file == "clip-vit-base-patch32.merges.txt" && merges.companion == nil)
        #expect(
            merges.address + merges.path
                == "https://huggingface.co/openai/clip-vit-base-patch32/resolve/main/merges.txt")
        // Files with the same names, but as small as the server's, which sends the digests.
        var small = PublishedWeights(
            backbone: clip.backbone, file: clip.file, path: clip.path, publisher: clip.publisher, megabytes: 0.1,
            checksum: .stated, top1: 0, licence: "")
        small.vocabulary = clip.vocabulary
        #expect(try fetch("hub", small).path.hasSuffix("weights/clip-vit-base-patch32.bin"))
        #expect(try fetch("hub", #require(small.companion)).isChecked)
        let siglip = try #require(PublishedWeights.named("siglip-base-patch16-224.safetensors"))
        #expect(siglip.companion?.file == "siglip-base-patch16-224.spiece.model")
        // Others have no digest, and a backbone's name refers to the smaller file.
        #expect(PublishedWeights.named("resnet18")?.companion == nil)
        #expect(PublishedWeights.named("clip_vitb32")?.publisher == .timm)
    }

    @Test("a file with a wrong checksum is removed; MD5 digests are verified as Keras publishes them") func checksums()
        throws
    {
        let wrong = Self.weights(.md5("00000000000000000000000000000000"))
        #expect(throws: FetchError.self) { try fetch("ok", wrong) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").isEmpty)
        let digits = TestServer.digest(Array(Self.content), .md5).map { String(format: "%02x", $0) }.joined()
        #expect(throws: Never.self) { try fetch("ok", Self.weights(.md5(digits))) }
    }

    @Test(
        "a digest that only the server states is verified and stored beside the file",
        arguments: [("hub", ".sha256"), ("digest", ".sha256"), ("md5", ".md5"), ("goog", ".md5")])
    func stated(behaviour: String, ending: String) throws {
        let file = try fetch(behaviour, Self.weights(.stated))
        #expect(!file.wasThere && file.isChecked)
        let record = try String(contentsOfFile: file.path + ending, encoding: .utf8)
        let name = Self.weights().file
        #expect(record.hasSuffix("  \(name)\n") && record.split(separator: " ")[0].allSatisfy(\.isHexDigit))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").count == 2)
        let before = server.log.count
        #expect(try fetch(behaviour, Self.weights(.stated)).wasThere)
        #expect(server.log.count == before)
        // A file that was changed afterwards is downloaded again.
        try Data("x".utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(try !fetch(behaviour, Self.weights(.stated)).wasThere)
        #expect(FileManager.default.contents(atPath: file.path) == Self.content)
    }

    @Test(
        "a file that differs from the server's digest is removed; without a digest, the file is reported as unverified")
    func lies() throws {
        #expect(
            refusal(of: FetchError.self) { try fetch("lie", Self.weights(.stated)) }.contains("instead of 00000000"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/weights").isEmpty)
        let file = try fetch("ok", Self.weights(.stated))
        #expect(!file.isChecked)
        #expect(file.digest == hexDigest(Self.content))
        let again = try fetch("ok", Self.weights(.stated))
        #expect(
            again == .init(path: file.path, wasThere: true, isChecked: false, digest: file.digest, isReplaced: false))
    }

    @Test("HTTP 404 and an unreachable server are errors that name the cause") func unreachable() throws {
        let address = server.address("none")
        #expect(throws: FetchError.notFound(address + Self.weights().path, status: 404)) { try fetch("none") }
        server.stop()
        var fetcher = WeightsFetcher(mirror: "http://127.0.0.1:1/")
        fetcher.showsProgress = false
        #expect(throws: FetchError.self) { try fetcher.fetch(Self.weights(), to: scratch.path) }
    }

    @Test("every published file belongs to a backbone and has a complete checksum") func table() {
        for weights in PublishedWeights.all {
            #expect(Backbone.named(weights.backbone) != nil)
            #expect(FileSignature(file: weights.file) != nil, "\(weights.file)")
            #expect(weights.companion.map { FileSignature(file: $0.file) != nil } ?? true, "\(weights.file)")
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
