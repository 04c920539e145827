import Foundation
import TestSupport
import Testing
@testable import NeuralNetwork

@Suite struct SafeTensorsTests {
    static func file(_ header: String, body: Int = 64, length: UInt64? = nil) -> Data {
        let json = Data(header.utf8)
        return withUnsafeBytes(of: (length ?? UInt64(json.count)).littleEndian) { Data($0) } + json + Data(count: body)
    }

    static func read(_ data: Data) throws -> SafeTensorsFile {
        let scratch = ScratchFolder()
        // The open file remains readable after its name is removed.
        return try SafeTensorsFile(path: scratch.file("test.safetensors", data))
    }

    @Test("tensors that are written and read back are bit-identical") func roundTrip() throws {
        let tensors = [
            "b.weight": Tensor(shape: [2, 3], values: [1, -2, .pi, 1e-30, 0, .infinity]),
            "a": Tensor(shape: [], values: [7]), "empty": Tensor(shape: [0, 4], values: []),
        ]
        let path = NSTemporaryDirectory() + UUID().uuidString + ".safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try SafeTensorsWriter.write(tensors, metadata: ["format": "pt"], to: path)
        let file = try SafeTensorsFile(path: path)
        #expect(file.metadata == ["format": "pt"])
        #expect(file.shapes == tensors.mapValues(\.shape))
        for (name, tensor) in tensors { #expect(try file.tensor(named: name) == tensor) }
        #expect(try file.tensor(named: "c") == nil)
    }

    @Test("half, bfloat16, double and integer tensors are converted to float32") func conversions() throws {
        func bytes<Value: FixedWidthInteger>(_ values: [Value]) -> Data {
            values.reduce(into: Data()) { data, value in
                withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
            }
        }
        let cases: [(String, Data, [Float])] = [
            (
                "F16", bytes([0x3C00, 0xC000, 0x0001, 0x7C00, 0x3555] as [UInt16]),
                [1, -2, 0x1p-24, .infinity, 0.333_251_95]
            ),
            ("BF16", bytes([0x3F80, 0xC000] as [UInt16]), [1, -2]),
            ("F64", bytes([(0.1 as Double).bitPattern]), [0.1]),
            ("I64", bytes([3, -4] as [Int64]), [3, -4]), ("U8", Data([0, 255]), [0, 255]),
        ]
        for (type, data, expected) in cases {
            let header =
                "{\"x\":{\"dtype\":\"\(type)\",\"shape\":[\(expected.count)],\"data_offsets\":[0,\(data.count)]}}"
            let file = try Self.read(Self.file(header, body: 0) + data)
            #expect(try file.tensor(named: "x")?.values == expected, "\(type)")
        }
    }

    @Test(
        "a header with wrong offsets or shapes is rejected",
        arguments: [
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[100],\"data_offsets\":[0,400]}}", "claims bytes 0 to 400"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,12]}}", "of 16 bytes claims"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}", "claims bytes"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "claims bytes"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "has the shape"),
            (
                #"{"x":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,16]}}"#,
                "has the shape"
            ), ("{\"x\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", "unknown type C64"),
            ("{\"x\":{\"shape\":[1]}}", "lacks dtype"), ("{\"x\":3}", "is not an object"),
            ("[1,2]", "not a JSON object"),
            ("{\"x\":", "not a JSON object"),
            (
                #"{"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"#
                    + #""y":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}}"#,
                "overlaps"
            ),
        ])
    func lies(header: String, words: String) throws {
        let error = #expect(throws: WeightsError.self) { try Self.read(Self.file(header)) }
        #expect(error?.localizedDescription.contains(words) == true, "\(error?.localizedDescription ?? "")")
        #expect(error?.localizedDescription.contains("test.safetensors") == true)
    }

    @Test("a truncated file, a header that is too long and a missing file are errors") func truncated() {
        #expect(throws: WeightsError.self) { try Self.read(Data([1, 2, 3])) }
        #expect(throws: WeightsError.self) { try Self.read(Self.file("{}", length: 1 << 40)) }
        #expect(throws: WeightsError.self) { try Self.read(Self.file("{}", length: .max)) }
        #expect(throws: WeightsError.self) { try SafeTensorsFile(path: "/no/such/file.safetensors") }
    }

    @Test("weights that do not fit are an error that lists the first missing, unexpected and misshapen tensors")
    func mismatch() throws {
        var builder = GraphBuilder()
        let logits = builder.linear("fc", builder.input(.vector(4)), out: 2)
        let graph = builder.build(outputs: ["logits": logits])
        let data = try SafeTensorsWriter.data(
            ["fc.weight": Tensor(shape: [2, 5]), "other": Tensor(shape: [1])], metadata: [:])
        let file = try Self.read(data)
        let text = refusal(of: WeightsError.self) { try file.validate(for: graph.parameters) }
        #expect(text.contains("1 missing (fc.bias)"))
        #expect(text.contains("fc.weight: [2, 5] instead of [2, 4]"))
        #expect(text.contains("1 unexpected (other)"))
    }
}

@Suite struct MemoryLimitTests {
    @Test("weights larger than memory are rejected by every reader before allocation")
    func tooLarge() throws {
        let scratch = ScratchFolder()
        // A sparse file of 8 TB with a correct header.
        let count = 1 << 41
        let header = #"{"w":{"dtype":"F32","shape":[\#(count)],"data_offsets":[0,\#(4 * count)]}}"#
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
        data.append(Data(header.utf8))
        let path = try scratch.file("huge.bin", data)
        guard truncate(path, off_t(data.count + 4 * count)) == 0 else { return }
        let file = try SafeTensorsFile(path: path)
        #expect(file.shapes == ["w": [count]])
        let expected = WeightsError.tooLarge(file: path, bytes: 4 * count, memory: MemoryLimit.bytes)
        #expect(throws: expected) { try file.tensor(named: "w") }
        #expect(throws: expected) {
            try file.validate(for: [
                Graph.Parameter(name: "w", shape: [count], initializer: .init(spread: 1), isTrainable: true)
            ])
        }
        #expect(throws: WeightsError.self) { try SafeTensorsWriter.convert(file, to: scratch.path + "/out.bin") }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.bin"))
        #expect(expected.localizedDescription.contains("MB of memory"))
        // Tensors that do not fit the backbone are not read at all.
        #expect(throws: WeightsError.self) {
            try file.tensor(
                for: Graph.Parameter(name: "w", shape: [4], initializer: .init(spread: 1), isTrainable: true))
        }
    }
}

@Suite struct UserCacheTests {
    @Test("files of the user's cache are written into a folder that no other user can enter") func permissions() throws
    {
        let scratch = ScratchFolder()
        let path = scratch.path + "/zoetrope/ranges/a.json"
        UserCache.write(Data("x".utf8), to: path)
        #expect(UserCache.contents(path) == Data("x".utf8))
        var status = stat()
        try #require(stat(scratch.path + "/zoetrope/ranges", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
    }

    @Test("files that another user wrote, or may write, and special files are not read") func owners() throws {
        let scratch = ScratchFolder()
        let shared = try scratch.file("shared.json", "x")
        chmod(shared, 0o666)
        #expect(UserCache.contents(shared) == nil)
        let pipe = scratch.path + "/pipe.json"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(UserCache.contents(pipe) == nil)
        // Only root can change the owner of a file.
        guard geteuid() == 0 else { return }
        let other = try scratch.file("other.json", "x")
        chown(other, 65534, 65534)
        #expect(UserCache.contents(other) == nil)
    }
}
