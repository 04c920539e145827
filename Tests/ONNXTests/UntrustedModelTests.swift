import Foundation
import NeuralNetwork
import ONNXMessages
import TestSupport
import Testing

@testable import ONNX

/// Models crafted to crash the program, to hang it or to exhaust memory: each is an error with a message, soon.
@Suite struct UntrustedModelTests {
    let folder: ScratchFolder
    let path: String

    init() throws {
        folder = ScratchFolder()
        path = folder.path + "/m.onnx"
    }

    private typealias Nodes = [(String, [String], [String])]

    private func refusal(
        _ nodes: [(String, [String], [String])], tensors: [(String, [Int], [Float])] = [],
        _ change: (inout ModelProto) -> Void = { _ in }
    ) throws -> String {
        try ImportTests.write(nodes, tensors: tensors, to: path, change)
        return try message()
    }

    private func message() throws -> String {
        let start = ContinuousClock.now
        defer { #expect(ContinuousClock.now - start < soon) }
        do {
            let network = try ImportedNetwork(path: path)
            try network.check(output: "y", imageSize: 8)
            for name in network.shapes.keys { _ = try network.tensor(named: name) }
            return ""
        } catch { return error.localizedDescription }
    }

    private static func integers(_ name: String, _ values: [Int64], shape: [Int]? = nil) -> TensorProto {
        var tensor = TensorProto(name, dataType: 7, shape: shape ?? [values.count])
        tensor.int64Data = values
        return tensor
    }

    // MARK: - Files

    @Test("a named pipe given as a model, or as its external data, is rejected immediately") func pipes() throws {
        try #require(mkfifo(path, 0o600) == 0)
        #expect(try message().contains("it is a named pipe, not a regular file"))
        unlink(path)
        try #require(mkfifo(folder.path + "/data", 0o600) == 0)
        let words = try refusal([("Conv", ["x", "w"], ["y"])], tensors: [("w", [4, 3, 1, 1], [])]) {
            Self.makeExternal(&$0, [("location", "data")])
        }
        #expect(words.contains("it is a named pipe, not a regular file"), "\(words)")
    }

    private static func makeExternal(_ model: inout ModelProto, _ entries: [(String, String)]) {
        model.graph.initializer[0].dataLocation = .external
        model.graph.initializer[0].externalData = entries.map(StringStringEntryProto.init)
    }

    @Test("external data must be inside its folder, compared by bytes, and inside its file, checked for overflow")
    func external() throws {
        try folder.file("secret", Data(count: 48))
        try folder.file("data", Data(count: 48))
        let cases: [([(String, String)], String)] = [
            ([("location", "../\u{301}secret")], "is stored outside of the model's folder"),
            ([("location", "a/\u{301}../../secret")], "is stored outside of the model's folder"),
            ([("location", "data\0/../secret")], "is stored outside of the model's folder"),
            ([("location", "data"), ("offset", "1")], "extends beyond the end of its file"),
            ([("location", "data"), ("offset", "9223372036854775807")], "extends beyond the end of its file"),
            ([("location", "data"), ("offset", "99999999999999999999")], "invalid offset"),
            ([("location", "data"), ("offset", "-1")], "invalid offset"),
            ([("location", "data"), ("length", "47")], "holds fewer or more elements"),
            ([("location", "data"), ("length", "-9223372036854775808")], "extends beyond the end of its file"),
        ]
        for (entries, words) in cases {
            let error = try refusal([("Conv", ["x", "w"], ["y"])], tensors: [("w", [4, 3, 1, 1], [])]) {
                Self.makeExternal(&$0, entries)
            }
            #expect(error.contains(words), "\(entries): \(error)")
        }
    }

    @Test("values in the wrong field, and shapes whose products overflow, are rejected") func wrongFields() throws {
        for (type, change) in [
            (1, { $0.int32Data = [1, 2, 3, 4] }), (7, { $0.floatData = [1, 2, 3, 4] }),
            (6, { $0.int64Data = [1, 2, 3, 4] }), (11, { $0.floatData = [1, 2, 3, 4] }),
        ] as [(Int32, (inout TensorProto) -> Void)] {
            let words = try refusal([("Add", ["x", "c"], ["y"])], tensors: [("c", [4], [])]) {
                $0.graph.initializer[0].dataType = type
                change(&$0.graph.initializer[0])
            }
            #expect(words.contains("holds fewer or more elements"), "\(type): \(words)")
        }
        for dims in [[0, 1 << 62, 1 << 62], [1 << 62, 0, 4], [-1, 4], [.min], [Int64](repeating: 1, count: 40)] {
            let words = try refusal(
                [("Flatten", ["c"], ["f"]), ("Add", ["x", "f"], ["y"])], tensors: [("c", [0], [])]
            ) { $0.graph.initializer[0].dims = dims }
            #expect(words.contains("invalid shape"), "\(dims): \(words)")
        }
    }

    // MARK: - Functions and depth

    @Test("chained sums of a value with itself take no exponential time") func doubledFunctions() throws {
        var nodes: Nodes = [("Relu", ["x"], ["r0"])]
        for index in 0..<40 { nodes.append(("Pow", ["r\(index)", "r\(index)"], ["r\(index + 1)"])) }
        nodes.append(("Det", ["r40"], ["y"]))
        #expect(try refusal(nodes).contains("chains more than 256 element-wise functions"))
    }

    @Test("very long chains of functions, affine layers, transpositions and layers end in an error or a model")
    func longChains() throws {
        func chain(_ type: String, _ count: Int, _ more: [String] = []) -> Nodes {
            (0..<count).map { index in
                (type, [index == 0 ? "x" : "r\(index)"] + more, [index == count - 1 ? "y" : "r\(index + 1)"])
            }
        }
        #expect(try refusal(chain("Relu", 20_000)).contains("chains more than 256 element-wise functions"))
        #expect(try refusal(chain("Relu", 60_000)).contains("more than 50000 nodes"))
        #expect(try refusal(chain("Mul", 3000, ["c"]), tensors: [("c", [3, 1, 1], [1, 1, 1])]) == "")
        #expect(try refusal(chain("GlobalAveragePool", 5000)) == "")
        var turned: Nodes = (0..<3000).map { ("Transpose", ["c\($0)"], ["c\($0 + 1)"]) }
        turned.append(("Add", ["x", "c3000"], ["y"]))
        #expect(
            try refusal(turned, tensors: [("c0", [3, 2], [1, 2, 3, 4, 5, 6])]).contains(
                "transposes a constant too often"))
    }

    @Test("images that are rescaled very many times are rejected") func scaledPixels() throws {
        let nodes: Nodes = (0..<5000).map { index in
            ("Mul", [index == 0 ? "x" : "r\(index)", "c"], [index == 4999 ? "y" : "r\(index + 1)"])
        }
        let words = try refusal(nodes, tensors: [("c", [3, 1, 1], [1, 1, 1])]) {
            $0.graph.input[0].type.tensorType.elemType = 2
        }
        #expect(words.contains("scales the input too often"), "\(words)")
    }

    // MARK: - Memory

    @Test("constants that a small file computes share one memory budget") func constants() throws {
        for type in ["ConstantOfShape", "Expand", "Range"] {
            var nodes: Nodes = (0..<40).map { index in
                switch type {
                case "Expand": ("Expand", ["one", "shape"], ["c\(index)"])
                case "Range": ("Range", ["zero", "many", "one"], ["c\(index)"])
                default: ("ConstantOfShape", ["shape"], ["c\(index)"])
                }
            }
            nodes.append(("Concat", (0..<40).map { "c\($0)" }, ["all"]))
            nodes.append(("Add", ["x", "all"], ["y"]))
            let words = try refusal(nodes) { model in
                model.graph.initializer = [
                    Self.integers("shape", [1 << 22]), Self.integers("one", [1], shape: []),
                    Self.integers("zero", [0], shape: []), Self.integers("many", [1 << 22], shape: []),
                ]
                for index in model.graph.node.indices where model.graph.node[index].opType == "Concat" {
                    model.graph.node[index].attribute = [Attribute.integer("axis", 0).message]
                }
            }
            #expect(words.contains("take too much memory"), "\(type): \(words)")
        }
    }

    @Test("concatenations that repeatedly double constants or images are rejected") func doubling() throws {
        var nodes: Nodes = (0..<60).map { ("Concat", ["c\($0)", "c\($0)"], ["c\($0 + 1)"]) }
        nodes.append(("Add", ["x", "c60"], ["y"]))
        let constants = try refusal(nodes, tensors: [("c0", [1], [1])])
        #expect(
            constants.contains("its output is a constant of") || constants.contains("too much memory"), "\(constants)")
        var images: Nodes = [("GlobalAveragePool", ["x"], ["p0"])]
        images += (0..<70).map { ("Concat", ["p\($0)", "p\($0)"], [$0 == 69 ? "y" : "p\($0 + 1)"]) }
        let words = try refusal(images) { model in
            for index in 1..<model.graph.node.count {
                model.graph.node[index].attribute = [Attribute.integer("axis", 1).message]
            }
        }
        #expect(words.contains("its output has"), "\(words)")
    }

    @Test("empty messages, which take a hundred times their size in memory, are limited") func emptyMessages() throws {
        // A node, an initializer or a string of two bytes each.
        for tag in [0x0A, 0x2A, 0x62] as [UInt8] {
            var inner = Data()
            for _ in 0..<2_100_000 { inner.append(contentsOf: [tag, 0]) }
            var file = Data([0x3A])
            var length = inner.count
            while length >= 0x80 {
                file.append(UInt8(length & 0x7F) | 0x80)
                length >>= 7
            }
            file.append(UInt8(length))
            try (file + inner).write(to: URL(fileURLWithPath: path))
            let start = ContinuousClock.now
            #expect(throws: ImportError.self) { try ImportedNetwork(path: path) }
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    // MARK: - Arithmetic

    /// A node that reads `x` or the constants of shape and number, with any integers for its attributes.
    @Test("extreme integers cause no overflow trap") func extremes() throws {
        let extremes: [Int64] = [.min, .max, -1, 0, 1 << 62, -(1 << 62), 1 << 32]
        let names = [
            "axis", "axes", "split", "perm", "start", "end", "starts", "ends", "pads", "kernel_shape", "strides",
        ]
        let more = ["dilations", "group", "num_groups", "to", "keepdims", "allowzero", "shape"]
        let types = [
            "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Slice", "Gather", "Split", "Concat",
            "Pad", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceMax", "Gemm", "MatMul",
            "Shape", "Size", "ConstantOfShape", "Range", "Resize", "Cast", "Tile", "LayerNormalization",
            "GroupNormalization", "InstanceNormalization", "BatchNormalization", "Where", "Abs", "Neg", "Div", "Mod",
            "ReduceProd", "ReduceSum", "Pow", "Softmax",
        ]
        for value in extremes {
            var nodes: Nodes = []
            for type in types {
                for (place, first) in ["x", "s", "f", "h"].enumerated() {
                    for second in ["s", "h", "f"] {
                        nodes.append(
                            (
                                type, [first, second, "s", "s", "s"],
                                ["\(type)-\(place)-\(second)", "\(type)-\(place)-\(second)-b"]
                            ))
                        nodes.append((type, [first, second], ["\(type)-\(place)-\(second)-2"]))
                        nodes.append((type, [first], ["\(type)-\(place)-\(second)-1"]))
                    }
                }
            }
            nodes.append(("Relu", ["x"], ["y"]))
            try ImportTests.write(nodes, to: path) { model in
                var floats = TensorProto("f", dataType: 1, shape: [4])
                floats.floatData = [.nan, 1e30, -.infinity, Float(value)]
                model.graph.initializer = [
                    Self.integers("s", [value, value]), Self.integers("h", [value], shape: []), floats,
                ]
                for index in model.graph.node.indices.dropLast() {
                    let numbers = (names.prefix(1) + more).map { Attribute.integer($0, Int(value)) }
                    let lists = names.dropFirst().map { Attribute.integers($0, [Int](repeating: Int(value), count: 4)) }
                    model.graph.node[index].attribute = index % 2 == 0 ? [] : (numbers + lists).map(\.message)
                }
            }
            let network = try ImportedNetwork(path: path)
            try network.check(output: "y", imageSize: 8)
            for name in network.shapes.keys { _ = try? network.tensor(named: name) }
        }
    }

    @Test("splits whose lengths overflow, and missing lists, are rejected") func splits() throws {
        for first in ["x", "c"] {
            let words = try refusal([("Split", [first, "s"], ["a", "b", "d", "e"]), ("Concat", ["a", "b"], ["y"])]) {
                model in
                model.graph.initializer = [
                    Self.integers("s", [1 << 62, 1 << 62, 1 << 62, (1 << 62) + 1]), Self.integers("c", [7], shape: [1]),
                ]
            }
            #expect(words.contains("its parts do not add up"), "\(words)")
        }
        var bare: Nodes = [("Split", ["x"], ["y"])]
        bare.append(("Split", ["x"], ["none"]))
        _ = try refusal(bare) { $0.graph.node[1].output = [] }
        // A square root without an input, which pattern matching of normalisations reads.
        let nodes: Nodes = [
            ("ReduceMean", ["x"], ["m"]), ("Sub", ["x", "m"], ["d"]), ("Sqrt", [], ["r"]), ("Div", ["d", "r"], ["y"]),
        ]
        #expect(try !refusal(nodes).isEmpty)
    }

    @Test("learned tokens and weights with mismatched shapes are rejected before they are read") func misfits() throws {
        let nodes: Nodes = [
            ("Reshape", ["x", "s"], ["r"]), ("Transpose", ["r"], ["t"]), ("Concat", ["c", "t"], ["y"]),
        ]
        let words = try refusal(nodes) { model in
            var token = TensorProto("c", dataType: 1, shape: [1, 1, 2])
            token.floatData = [1, 2]
            model.graph.initializer = [Self.integers("s", [1, 3, 64]), token]
            model.graph.node[1].attribute = [Attribute.integers("perm", [0, 2, 1]).message]
            model.graph.node[2].attribute = [Attribute.integer("axis", 1).message]
        }
        #expect(words.contains("learned tokens do not fit"), "\(words)")
        let bias = try refusal(
            [("LayerNormalization", ["t", "w", "b"], ["y"])],
            tensors: [("w", [8], [Float](repeating: 1, count: 8)), ("b", [3], [1, 1, 1])]
        ) { model in model.graph.node[0].input[0] = "x" }
        #expect(bias.contains("normalises axes other than"), "\(bias)")
    }
}
