import Foundation
import TestSupport
import Testing
@testable import NeuralNetwork

/// Files crafted to crash the program, to hang it or to exhaust memory: each is an error with a message, soon.
@Suite struct UntrustedWeightsTests {
    let folder = ScratchFolder()

    // MARK: - Special files

    @Test(
        "a named pipe, or a link to one, given as weights is rejected immediately",
        arguments: ["w.pth", "w.safetensors", "w.whl", "model.safetensors.index.json"])
    func pipes(name: String) throws {
        let pipe = folder.path + "/" + name
        try #require(mkfifo(pipe, 0o600) == 0)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: name)
        for path in [pipe, folder.path + "/link"] {
            let words = "it is a named pipe, not a regular file"
            #expect(refusal { _ = try openCheckpoint(path: path) }.contains(words))
            #expect(refusal { _ = try SafeTensorsFile(path: path) }.contains(words))
            #expect(refusal { _ = try KerasFile(path: path) }.contains(words))
            #expect(refusal { _ = try PyTorchArchive(path: path) }.contains(words))
            #expect(refusal { _ = try PyTorchLegacyFile(path: path) }.contains(words))
        }
        #expect(refusal { _ = try openCheckpoint(path: "/dev/zero") }.contains("it is a device"))
    }

    @Test("a named pipe beside an index, or in place of a shard, is rejected immediately") func pipesInShards() throws {
        try #require(mkfifo(folder.path + "/model.safetensors.index.json", 0o600) == 0)
        let part = try folder.file("model-00001-of-00002.safetensors", Data(count: 8))
        #expect(refusal { _ = try openCheckpoint(path: part) }.contains("a named pipe"))
        let index = try folder.file("other.safetensors.index.json", #"{"weight_map":{"a":"pipe.safetensors"}}"#)
        try #require(mkfifo(folder.path + "/pipe.safetensors", 0o600) == 0)
        #expect(refusal { _ = try openCheckpoint(path: index) }.contains("a named pipe"))
    }

    @Test("an index refers only to shards in its own folder, whatever combining characters its names have")
    func pathsInIndex() throws {
        try folder.file("x.safetensors", Data(count: 8))
        for name in [
            "../\u{301}x.safetensors", "/\u{301}x.safetensors", ".\u{301}/x.safetensors", "a\\u0000/x.safetensors",
        ] {
            let index = try folder.file("sub/m.index.json", #"{"weight_map":{"a":"\#(name)"}}"#)
            #expect(
                refusal { _ = try openCheckpoint(path: index) }.contains("which is not a part in the same folder"),
                "\(name)")
        }
    }

    // MARK: - safetensors

    @Test("a header with too many tensors or values is rejected before objects are created")
    func manyTensors() throws {
        var header = "{"
        for index in 0...SafeTensorsFile.maximumTensors + 1 {
            header += (index == 0 ? "" : ",") + #""\#(index)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        }
        let many = try folder.file("many", SafeTensorsTests.file(header + "}"))
        #expect(refusal { _ = try SafeTensorsFile(path: many) }.contains("more than 100000 tensors"))
        let lists = "{\"a\":[" + String(repeating: "[],", count: 1_100_000) + "[]]}"
        let path = try folder.file("lists", SafeTensorsTests.file(lists))
        #expect(refusal { _ = try SafeTensorsFile(path: path) }.contains("more than 100000 tensors"))
    }

    @Test("nested JSON, UTF-16 JSON and shapes whose products overflow are rejected") func headers() throws {
        let deep = String(repeating: "[", count: 200_000)
        let path = try folder.file("deep", SafeTensorsTests.file("{\"a\":" + deep))
        #expect(refusal { _ = try SafeTensorsFile(path: path) }.contains("nested more than 64 levels deep"))
        let index = try folder.file("a.index.json", "{\"weight_map\":" + deep)
        #expect(refusal { _ = try openCheckpoint(path: index) }.contains("nested more than 64 levels deep"))
        let wide = Data("{}".utf16.flatMap { [UInt8(truncatingIfNeeded: $0), 0] })
        let utf16 = try folder.file("utf16", withUnsafeBytes(of: UInt64(wide.count).littleEndian) { Data($0) } + wide)
        #expect(refusal { _ = try SafeTensorsFile(path: utf16) }.contains("not JSON in UTF-8"))
        for shape in [
            "0,4611686018427387904,4611686018427387904", "-9223372036854775808", "1e300", "9223372036854775807,0,2",
        ] {
            let header = #"{"x":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[0,0]}}"#
            let path = try folder.file("shape", SafeTensorsTests.file(header))
            #expect(!refusal { _ = try SafeTensorsFile(path: path) }.isEmpty, "\(shape)")
        }
        let header = #"{"x":{"dtype":"U8","shape":[\#(String(repeating: "1,", count: 999))1],"data_offsets":[0,1]}}"#
        let rank = try folder.file("rank", SafeTensorsTests.file(header))
        #expect(refusal { _ = try SafeTensorsFile(path: rank) }.contains("has the shape"))
    }

    // MARK: - Pickles and zip archives

    private func load(_ pickle: Data) throws {
        var unpickler = Unpickler(pickle)
        _ = try unpickler.load()
    }

    @Test(
        "lists and dictionaries that grow item by item, or contain each other many times, take time linear in the file"
    ) func growingLists() throws {
        // ] N a N a …
        let list =
            Data([0x80, 2]) + Data("]".utf8) + Data(repeating: 0, count: 0)
            + Data((0..<400_000).flatMap { _ in [UInt8(ascii: "N"), UInt8(ascii: "a")] }) + Data(".".utf8)
        let start = ContinuousClock.now
        try load(list)
        #expect(ContinuousClock.now - start < soon)
        // } ( 100,000 items u, kept under 0; then h0 N N s 0 again and again: each adds to all of it.
        var bomb = Data([0x80, 2]) + Data("}(".utf8)
        for _ in 0..<100_000 { bomb += Data("NN".utf8) }
        bomb += Data("uq".utf8) + Data([0])
        for _ in 0..<100_000 { bomb += Data("h".utf8) + Data([0]) + Data("NNs".utf8) }
        bomb += Data(".".utf8)
        try load(bomb)
        // ] q0, then ] h0 a h0 a q0 again and again: 2 to the power of 10,000 lists if each were walked through.
        var nested = Data([0x80, 2]) + Data("]q\0".utf8)
        for _ in 0..<10_000 { nested += Data("](h\0h\0eq\0".utf8) }
        var unpickler = Unpickler(nested + Data(".".utf8))
        let objects = try unpickler.load()
        #expect(throws: WeightsError.self) { try PickledStateDictionary(objects, path: "x") }
        #expect(ContinuousClock.now - start < soon)
    }

    @Test("a tensor with too many dimensions is rejected") func dimensions() {
        var data = Data([0x80, 2]) + Data("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
        data += Data([0x8C, 7]) + Data("storage".utf8) + Data("ctorch\nFloatStorage\n".utf8)
        data += Data([0x8C, 1]) + Data("0".utf8) + Data([0x8C, 3]) + Data("cpu".utf8) + Data("K".utf8) + Data([4])
        let ones = Data("(".utf8) + Data((0..<5000).flatMap { _ in [UInt8(ascii: "K"), 1] }) + Data("t".utf8)
        data += Data("tQK".utf8) + Data([0]) + ones + ones + Data([0x89, 0x4E]) + Data("tR.".utf8)
        #expect(throws: Unpickler.Refusal.self) { try load(data) }
    }

    // MARK: - HDF5

    private func hdf5(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/hdf5/" + name, withExtension: "h5")).path
    }

    @Test("self-contained HDF5 files are read, deflated or with soft links inside")
    func innocentHDF5() throws {
        let fine = try KerasFile(path: hdf5("fine"))
        let kernel = try #require(fine.layers["dense"]?.first)
        #expect(try fine.values(of: kernel) == [0, 1, 2, 3, 4, 5])
        let packed = try #require(fine.layers["packed"]?.first)
        #expect(try fine.values(of: packed) == [Float](repeating: 1, count: 64))
        let soft = try KerasFile(path: hdf5("soft"))
        #expect(soft.layers.values.joined().map(\.dataset) == ["/dense/dense/kernel:0"])
    }

    @Test(
        "HDF5 files that refer to other files, or to code of a plugin, are rejected",
        arguments: [
            ("external-storage", "refers to other files"), ("virtual", "refers to other files"),
            ("external-link", "refers to other files"), ("soft-to-external", "refers to other files"),
            ("unknown-filter", "plugins are not loaded"),
        ])
    func outsideHDF5(name: String, words: String) throws {
        let path = try hdf5(name)
        #expect(refusal { _ = try KerasFile(path: path) }.contains(words))
    }

    @Test("sizes of shapes are limited, whatever the order of dimensions") func shapeLimits() {
        #expect(ShapeLimits.elements(of: [2, 3, 4]) == 24)
        #expect(ShapeLimits.elements(of: []) == 1)
        #expect(ShapeLimits.elements(of: [0, 5]) == 0)
        #expect(ShapeLimits.elements(of: [0, 1 << 40, 1 << 40]) == nil)
        #expect(ShapeLimits.elements(of: [.max, .max]) == nil)
        #expect(ShapeLimits.elements(of: [-1]) == nil)
        #expect(ShapeLimits.elements(of: [Int](repeating: 1, count: 33)) == nil)
    }
}
