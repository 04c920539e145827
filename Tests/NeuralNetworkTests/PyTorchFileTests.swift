import Foundation
import TestSupport
import Testing
@testable import NeuralNetwork

@Suite struct PyTorchFileTests {
    static func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/weights/" + name, withExtension: "bin")).path
    }

    @Test(
        "files of torch.save are read, with any dtype, stride or wrapper",
        arguments: [
            ("zip", "PyTorch (zip)"), ("legacy", "PyTorch (before 1.6)"), ("wrapped", "PyTorch (zip)"),
        ])
    func tensors(name: String, format: String) throws {
        let whole = try openCheckpoint(path: Self.fixture(name))
        #expect(whole.format == format)
        // Keys of dictionaries are part of the names.
        let file = whole.behind(name == "wrapped" ? "state_dict.module." : "")
        #expect(
            file.shapes == [
                "conv.weight": [2, 3, 3, 3], "half": [6, 4], "bfloat": [6, 4], "double": [6, 4], "transposed": [4, 6],
                "slice": [3, 2], "scalar": [], "parameter": [3], "empty": [0, 4],
            ])
        let base = around("base", [24]).values
        func values(_ name: String) throws -> [Float] { try #require(try file.tensor(named: name)).values }
        #expect(try values("conv.weight") == around("conv.weight", [54]).values)
        #expect(try values("double") == base)
        #expect(try values("transposed") == (0..<24).map { base[$0 % 6 * 4 + $0 / 6] })
        #expect(try values("slice") == [9, 10, 13, 14, 17, 18].map { base[$0] })
        #expect(try values("scalar") == [7])
        #expect(try values("parameter") == [1, 1, 1])
        #expect(try values("empty") == [])
        for (index, value) in base.enumerated() {
            #expect(abs(try values("half")[index] - value) < 1e-3)
            #expect(abs(try values("bfloat")[index] - value) < 8e-3)
        }
        #expect(try file.tensor(named: "absent") == nil)
    }

    @Test(
        "a pickle that calls functions, is nested endlessly or decompresses to more than it declares is rejected",
        arguments: [("evil", "os.system"), ("deep", "no dictionary of tensors"), ("bomb", "claims 50000000 bytes")])
    func hostile(name: String, words: String) throws {
        let path = try Self.fixture(name)
        let error = #expect(throws: WeightsError.self) {
            let file = try openCheckpoint(path: path)
            for name in file.shapes.keys { _ = try file.tensor(named: name) }
        }
        let text = (error?.localizedDescription ?? "").replacingOccurrences(of: "posix.", with: "os.")
        #expect(text.contains(words), "\(text)")
    }

    @Test(
        "a file truncated anywhere, or with any byte changed, is an error or gives its tensors; it never crashes",
        arguments: ["zip", "legacy", "kinds4"])
    func damaged(name: String) throws {
        let scratch = ScratchFolder()
        let whole = try Data(contentsOf: URL(fileURLWithPath: Self.fixture(name)))
        func survives(_ data: Data) throws -> Bool {
            let path = try scratch.file("damaged.bin", data)
            do {
                let file = try openCheckpoint(path: path)
                for name in file.shapes.keys { _ = try file.tensor(named: name) }
                return true
            } catch is WeightsError { return false }
        }
        #expect(try survives(whole))
        for length in stride(from: 0, to: whole.count - 1, by: 61) {
            #expect(try !survives(whole.prefix(length)), "\(length) of \(whole.count) bytes")
        }
        let noise = RandomParameters().uniform("damage", count: whole.count)
        for position in stride(from: 0, to: whole.count, by: 7) {
            var data = whole
            data[position] = UInt8(noise[position] * 256)
            _ = try survives(data)
        }
    }

    @Test("a tensor larger than its storage is rejected") func lyingTensor() {
        // ((storage 'FloatStorage' '0' 'cpu' 4), offset 2, shape (3,), strides (1,)) through the pickle's own opcodes.
        func pickle(offset: UInt8, length: UInt32, stride: UInt8) -> Data {
            var data = Data([0x80, 2]) + Data("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
            data += Data([0x8C, 7]) + Data("storage".utf8) + Data("ctorch\nFloatStorage\n".utf8)
            data += Data([0x8C, 1]) + Data("0".utf8) + Data([0x8C, 3]) + Data("cpu".utf8) + Data("K".utf8) + Data([4])
            data += Data("tQK".utf8) + Data([offset]) + Data("J".utf8)
            data += withUnsafeBytes(of: length.littleEndian) { Data($0) } + Data([0x85]) + Data("K".utf8)
            return data + Data([stride, 0x85, 0x89, 0x4E]) + Data("tR.".utf8)
        }
        func load(_ data: Data) throws {
            var unpickler = Unpickler(data)
            _ = try unpickler.load()
        }
        #expect(throws: Never.self) { try load(pickle(offset: 1, length: 3, stride: 1)) }
        #expect(throws: Unpickler.Refusal.self) { try load(pickle(offset: 2, length: 3, stride: 1)) }
        #expect(throws: Unpickler.Refusal.self) { try load(pickle(offset: 0, length: 3, stride: 2)) }
        // A stride of zero repeats elements, as `expand` does: without a limit, four elements give any size.
        #expect(throws: Never.self) { try load(pickle(offset: 0, length: 200, stride: 0)) }
        #expect(throws: Unpickler.Refusal.self) { try load(pickle(offset: 0, length: 100_000, stride: 0)) }
    }

    @Test(
        "other objects that torch.load accepts are ignored, in every pickle protocol",
        arguments: ["kinds2", "kinds3", "kinds4", "kinds5", "kinds_legacy"])
    func kinds(name: String) throws {
        let file = try openCheckpoint(path: Self.fixture(name))
        func values(_ name: String) throws -> [Float] { try #require(try file.tensor(named: name)).values }
        #expect(try values("model.fc.weight") == around("fc.weight", [2, 3]).values)
        #expect(try values("float8") == [1.5, -0.0625, 448, 0.001953125])
        #expect(try values("float8 of 5 bits") == [1.5, -0.25, 57344])
        #expect(try values("uint16") == [65535, 1])
        #expect(try values("expanded") == [3, 3, 3, 3])
        #expect(file.shapes["complex tensor"] == nil)
        #expect(file.notes == ["its complex tensors (complex tensor) are skipped"])
        // The dictionary is also in a list: it is the same object.
        #expect(file.shapes["list.0.fc.weight"] == nil)
    }

    @Test("objects of other classes are never constructed: a note names them, and tensors around them are read")
    func objects() throws {
        let file = try openCheckpoint(path: Self.fixture("objects"))
        #expect(try file.tensor(named: "state_dict.fc.weight")?.values == around("fc.weight", [2, 3]).values)
        let note = try #require(file.notes.first)
        #expect(note.contains("argparse.Namespace") && note.contains("which are skipped"), "\(note)")
        #expect(!note.contains("Registry"), "a dictionary of a class of its own is read")
    }

    @Test("notes name sparse, quantised and meta tensors and what to save instead; alone they are an error")
    func special() throws {
        let file = try openCheckpoint(path: Self.fixture("special"))
        #expect(Array(file.shapes.keys) == ["plain"])
        #expect(
            file.notes == [
                "its 1 meta tensor (empty) is not read. It has a shape, but no values: "
                    + "load the model's weights before saving it",
                "its 1 quantised tensor (int8) is not read. Save it dequantised: `tensor.dequantize()`",
                "its 2 sparse tensors (csr, sparse) are not read. Save them dense: `tensor.to_dense()`",
            ])
        #expect(
            refusal(of: WeightsError.self) { try openCheckpoint(path: Self.fixture("meta")) }.contains("2 meta tensors")
        )
    }

    @Test(
        "errors for a pickled module and a TorchScript archive contain the line of Python that makes a usable file",
        arguments: [
            (
                "module", "a pickled module (torch.nn.modules.linear.Linear)",
                #"weights_only=False)["model"].state_dict()"#
            ),
            ("script", "a TorchScript archive", #"map_location="cpu").state_dict()"#),
        ])
    func foreign(name: String, found: String, remedy: String) throws {
        let text = refusal(of: WeightsError.self) { try openCheckpoint(path: Self.fixture(name)) }
        #expect(text.contains(found) && text.contains(remedy) && text.contains("python3 -c 'import torch; "), "\(text)")
    }

    @Test("tensors that are views of one storage are read from it, in any order and repeatedly") func views() throws {
        let file = try openCheckpoint(path: Self.fixture("views"))
        let expected: [String: [Float]] = [
            "a": (0..<6).map(Float.init), "b": (6..<24).map(Float.init), "c": (0..<12).map { Float(2 * $0) },
            "d": [20, 21, 22, 23],
        ]
        for name in ["d", "a", "c", "b", "a", "d"] { #expect(try file.tensor(named: name)?.values == expected[name]) }
        let text = try openCheckpoint(path: Self.fixture("text"))
        #expect(text.shapes == ["b": [3, 6]], "written in protocol 0")
        #expect(try text.tensor(named: "b")?.values == expected["b"])
    }
}
