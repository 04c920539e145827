import Foundation
import TestSupport
import Testing
@testable import NeuralNetwork

/// Bit flips in weight files: which formats detect them, as docs/weights.md states.
@Suite struct FlippedBitTests {
    /// The tensors, or nil if the file is rejected.
    private static func tensors(_ path: String) throws -> [String: Tensor]? {
        do {
            let file = try openCheckpoint(path: path)
            return try file.shapes.keys.reduce(into: [:]) { $0[$1] = try file.tensor(named: $1) }
        } catch is WeightsError { return nil }
    }

    /// Flips a bit of every byte of a file in turn. Returns how many changed files were rejected, and which
    /// bytes changed a tensor silently.
    private static func flip(_ path: String, bit: Int) throws -> (refused: Int, unnoticed: [Int]) {
        let scratch = ScratchFolder()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let expected = try #require(try tensors(path))
        var (refused, unnoticed) = (0, [Int]())
        for place in whole.indices {
            var data = whole
            data[place] ^= 1 << UInt8((place + bit) % 8)
            switch try tensors(scratch.file("flipped.bin", data)) {
            case nil: refused += 1
            case expected?: break
            case _?: unnoticed.append(place)
            }
        }
        return (refused, unnoticed)
    }

    @Test("a flipped bit of a .pth or a wheel never changes a tensor silently", arguments: ["zip", "wheel"])
    func archives(name: String) throws {
        let (refused, unnoticed) = try Self.flip(PyTorchFileTests.fixture(name), bit: 3)
        #expect(refused > 500 && unnoticed == [], "\(unnoticed)")
    }

    @Test("a flipped bit of a .safetensors file that this program wrote is always detected if it matters")
    func ownFiles() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/own.safetensors"
        let tensors = [
            "a.weight": Tensor(shape: [4, 8], values: (0..<32).map { Float($0) / 7 }),
            "b": Tensor(shape: [2], values: [1, -1]), "empty": Tensor(shape: [0, 3], values: []),
        ]
        try SafeTensorsWriter.write(tensors, metadata: ["epoch": "7", "text": "jump"], to: path)
        for bit in [0, 3, 5] {
            let (refused, unnoticed) = try Self.flip(path, bit: bit)
            #expect(refused > 300 && unnoticed == [], "\(unnoticed)")
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let text = try #require(whole.range(of: Data("jump".utf8)))
        var data = whole
        data[text.lowerBound] ^= 1
        #expect(refusal { _ = try SafeTensorsFile(path: scratch.file("text", data)) }.contains("its metadata"))
        #expect(try SafeTensorsFile(path: path).metadata == ["epoch": "7", "text": "jump"])
    }

    @Test("entries that PyTorch wrote without checksums are read, and the format's description says so")
    func unchecked() throws {
        let path = try PyTorchFileTests.fixture("unchecked")
        #expect(try openCheckpoint(path: path).format == "PyTorch (zip, without checksums)")
        #expect(try Self.tensors(path) == Self.tensors(PyTorchFileTests.fixture("zip")))
    }

    @Test("an HDF5 chunk with a Fletcher-32 checksum is rejected if a bit flipped") func hdf5() throws {
        let url = Bundle.module.url(forResource: "Fixtures/hdf5/checked", withExtension: "h5")
        let path = try #require(url).path
        let variable = try #require(KerasFile(path: path).layers["packed"]?.first)
        #expect(try KerasFile(path: path).values(of: variable) == (0..<64).map(Float.init))
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let values = (20..<24).map(Float.init).withUnsafeBytes { Data($0) }
        data[try #require(data.range(of: values)).lowerBound + 2] ^= 16
        let scratch = ScratchFolder()
        #expect(!refusal { _ = try KerasFile(path: scratch.file("flipped.h5", data)) }.isEmpty)
    }

    @Test("an implausible weight is rejected in every format") func implausible() throws {
        func reason(_ values: [Float]) -> String? { Tensor(shape: [values.count], values: values).implausible }
        #expect(reason([]) == nil && reason([0, -3e4, 1e-30, 1e17]) == nil)
        #expect(reason([1, .nan]) == "holds NaN or infinity" && reason([-.infinity]) == "holds NaN or infinity")
        #expect(reason([0.1, -8e36]) == "holds values up to 8e+36, which are implausible for trained weights")
        // 0.01 with the highest exponent bit flipped, in a file without any checksum.
        let flipped = Float(bitPattern: Float(0.01).bitPattern ^ 1 << 30)
        let scratch = ScratchFolder()
        let header = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
        let data = SafeTensorsTests.file(header, body: 0) + [1, flipped].withUnsafeBytes { Data($0) }
        let file = try SafeTensorsFile(path: scratch.file("w.safetensors", data))
        let parameter = Graph.Parameter(
            name: "w", shape: [2], initializer: .init(centre: 0, spread: 1), isTrainable: true)
        #expect(refusal { _ = try PlausibleParameters(file).tensor(for: parameter) }.contains("w holds values up to"))
        #expect(try file.tensor(named: "w")?.values == [1, flipped])
    }
}
