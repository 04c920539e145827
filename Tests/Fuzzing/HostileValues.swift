import Foundation
import GRDB

/// Values that no program stores, but a file may contain.
package enum HostileValues {
    private static let numbers: [Int64] = [
        0, 1, -1, 2, 3, 7, 513, 1 << 31, 1 << 32, 1 << 40, 1 << 62, .max, .min, .min + 1,
    ]

    private static let reals: [Double] = [0.5, -0.5, 1e300, -1e300, .leastNonzeroMagnitude, .infinity, -.infinity]

    /// Texts that are read as numbers, JSON, names or digests.
    static let texts: [String] = [
        "", "abc", "nan", "inf", "1e999", "\0", "é\u{301}\u{202E}", "[]", "[[]]", "[[],[],[],[]]", "[1]", "[0]", "[-1]",
        "[1e300]", "[1e300,1e300,1e300,1e300]", "[0,1e300,-1e300,5e-324]", "[-9223372036854775808]",
        "[9223372036854775807,9223372036854775807]", "[4294967296,4294967296,4294967296]", "[0,512]", "[-1,-512]",
        "[0,4611686018427387904,4611686018427387904]", "[512,1,1]", "[[3,1],[3,1],[3,1],[3,1]]", "[[0],[0],[0],[0]]",
        "[[-9223372036854775808,9223372036854775807]]", "[[1e300,1],[1,2],[1,2],[1,2]]", "[null]", "[\"a\"]", "{}",
        "{\"a\":1}", "null", "[3,2,1,0]", "[0,0,0,0]", "test", "train", "validation", "heldout", "float16", "float64",
        "int8", "running", "finished", "diverged", "1111", "0000", "../x", "/dev/zero",
        String(repeating: "1", count: 100_000), String(repeating: "[", count: 2000),
        "[" + String(repeating: "1,", count: 20_000) + "1]", String(repeating: "f", count: 64),
    ]

    private static let blobs: [Data] = [
        Data(), Data([0xFF, 0xFE, 0x80]), Data(count: 7), Data(count: 2048), Data(count: 8192),
        Data((0..<8192).map { [0, 0, 0xC0, 0x7F][$0 % 4] }), Data((0..<8192).map { [0xFF, 0xFF, 0x7F, 0x7F][$0 % 4] }),
        Data(repeating: 0xFF, count: 100_001),
    ]

    /// Possible values of one cell of a table.
    static let cells: [DatabaseValue] =
        [.null] + numbers.map(\.databaseValue) + reals.map(\.databaseValue) + texts.map(\.databaseValue)
        + blobs.map(\.databaseValue)

    /// Names of architectures, taps, heads and rules, which are valid where another name was.
    private static let names = [
        "onnx", "random", "resnet18", "r3d_18", "clip_vitb32", "dinov2_vits14", "small_cnn+resnet18", "spatial",
        "pooled", "projected", "logits", "gru", "convlstm", "transformer", "attention", "frame", "zero_shot", "cosine",
        "step", "plateau", "f16", "bf16", "keras", "windows", "stride", "rate", "first",
    ]

    private static var samplings: [[String: Any]] {
        [
            ["policy": "stride", "frames": 0, "every": 0], ["policy": "stride", "frames": 4, "every": 0, "start": 0],
            ["policy": "stride", "frames": Int.max, "every": Int.max, "start": Int.max],
            ["policy": "windows", "length": 0, "stride": 0, "windows": 0],
            ["policy": "windows", "length": 4, "stride": 2, "windows": Int.max, "frames_per_second": 1e-300],
            ["policy": "windows", "length": Int.max, "stride": 1, "windows": 1],
            ["policy": "rate", "frames_per_second": 0, "frames": 5], ["policy": "uniform", "frames": -1],
            ["policy": "rate", "frames_per_second": 1e300, "frames": Int.max],
        ]
    }

    /// Possible values of one key of a JSON document.
    static var documents: [Any] {
        let plain: [Any] =
            [NSNull(), true, false] + numbers.map { $0 as Any } + [0.5, -0.5, 1e300, -1e300, 1e-300, UInt64.max]
        let lists: [Any] = [
            [Int](), [[Int]()], [0], [-1], [1, 2], [1, 2, 3], [Int.max], [Int.min], [1 << 62, 1 << 62], [4, 4, 4],
            [0, 512], [1e300, 0.5, 0.5], [0, 0, 0], ["a"], ["a", "a"], [NSNull()], [Int](repeating: 4, count: 65),
            [String](repeating: "a", count: 70), [Int](repeating: 1, count: 5000),
        ]
        let mappings: [Any] = [[String: Any](), ["a": 1], ["a": [Int]()], ["ranges": [String: Any]()]] + samplings
        return plain + lists + mappings + (texts.prefix(7) + names).map { $0 as Any }
    }
}

extension Mutator {
    /// A random element of the values.
    mutating func choice<Value>(of values: [Value]) -> Value { values[Int(next() % UInt64(values.count))] }

    /// The document with one key removed, changed or added, and a description of the change.
    mutating func mutate(document: Any, adding keys: [[String]] = []) -> (document: Any, what: String) {
        let path = choice(of: Self.paths(document) + keys.map { $0.map { $0 as Any } })
        let isRemoved = next() % 16 == 0
        let value = isRemoved ? nil : choice(of: HostileValues.documents)
        let text = value.map { String("\($0)".prefix(60)) } ?? "nothing"
        return (
            Self.put(value, at: path[...], in: document), path.map { "\($0)" }.joined(separator: ".") + " = " + text
        )
    }

    /// Keys and positions of all values in a document.
    private static func paths(_ document: Any) -> [[Any]] {
        if let mapping = document as? [String: Any] {
            return mapping.keys.sorted().flatMap { key in [[key]] + paths(mapping[key] ?? NSNull()).map { [key] + $0 } }
        }
        guard let list = document as? [Any] else { return [] }
        return list.indices.flatMap { index in [[index]] + paths(list[index]).map { [index] + $0 } }
    }

    private static func put(_ value: Any?, at path: ArraySlice<Any>, in document: Any) -> Any {
        guard let first = path.first else { return value ?? NSNull() }
        if let key = first as? String, var mapping = document as? [String: Any] {
            mapping[key] =
                path.count == 1 ? value : put(value, at: path.dropFirst(), in: mapping[key] ?? [String: Any]())
            return mapping
        }
        if let index = first as? Int, var list = document as? [Any], list.indices.contains(index) {
            list[index] = put(value, at: path.dropFirst(), in: list[index])
            return list
        }
        return document
    }
}
