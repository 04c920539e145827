import Backbones
import FeatureCache
import Files
import Foundation
import Testing
@testable import Extraction

@Suite struct RecipeValidationTests {
    private static let whole: [String: any Sendable] = [
        "backbone": "resnet18", "numerics": "torchvision", "weights": "random", "tap": "pooled", "image_size": 64,
        "crop": "center_square", "resize": "antialias", "precision": "f32", "feature_version": 2,
        "sampling": ["policy": "uniform", "frames": 4] as [String: any Sendable],
        "input": ["mean": [0.5, 0.5, 0.5], "deviation": [0.5, 0.5, 0.5], "blue_first": false] as [String: any Sendable],
    ]

    private static func json(_ key: String, _ value: any Sendable) throws -> String {
        var document: [String: Any] = whole
        document[key] = value
        return String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
    }

    struct Change: Sendable, CustomTestStringConvertible {
        let key: String
        let value: any Sendable
        /// The key that the error names.
        let named: String
        var testDescription: String { "\(key) = \(value)" }
    }

    private static func sampling(_ policy: String, _ numbers: [String: Double], _ named: String) -> Change {
        var value: [String: any Sendable] = ["policy": policy]
        for (key, number) in numbers { value[key] = Int(exactly: number).map { $0 as any Sendable } ?? number }
        return Change(key: "sampling", value: value, named: "sampling." + named)
    }

    static let changes: [Change] = [
        Change(key: "image_size", value: 0, named: "image_size"),
        Change(key: "image_size", value: -1, named: "image_size"),
        Change(key: "image_size", value: Int.max, named: "image_size"),
        Change(key: "image_size", value: "64", named: "image_size"),
        Change(key: "precision", value: "f7", named: "precision"), sampling("uniform", ["frames": 0], "frames"),
        sampling("first", ["frames": -1], "frames"), sampling("first", ["frames": 1e15], "frames"),
        sampling("stride", ["frames": 4, "every": 0, "start": 0], "every"),
        sampling("stride", ["frames": 4, "every": 1, "start": -1], "start"),
        sampling("rate", ["frames": 4, "frames_per_second": 0], "frames_per_second"),
        sampling("rate", ["frames": 4, "frames_per_second": 1e300], "frames_per_second"),
        sampling("rate", ["frames": 4], "frames_per_second"),
        sampling("windows", ["length": 0, "stride": 1, "windows": 1], "length"),
        sampling("windows", ["length": 8, "stride": 0, "windows": 1], "stride"),
        sampling("windows", ["length": 8, "stride": 1, "windows": 0], "windows"),
        Change(
            key: "input",
            value: ["mean": [Double](), "deviation": [0.5], "blue_first": false] as [String: any Sendable],
            named: "input"),
        Change(
            key: "input",
            value: ["mean": [0, 0, 0], "deviation": [1, 0, 1], "blue_first": false] as [String: any Sendable],
            named: "input"), Change(key: "joined", value: [[String: String]](), named: "joined"),
        Change(
            key: "calibration", value: ["ranges": ["conv1": -1.0], "kept": [String]()] as [String: any Sendable],
            named: "calibration.ranges.conv1"),
    ]

    @Test(
        "a recipe with a value that no pipeline can state is rejected with an error that names the key",
        arguments: changes)
    func refused(change: Change) throws {
        let error = #expect(throws: RecipeError.self) {
            try ExtractionRecipe(json: Self.json(change.key, change.value))
        }
        let text = error?.errorDescription ?? ""
        #expect(text.contains("`\(change.named)`") && text.hasSuffix("."), "\(text)")
    }

    @Test("a valid recipe is read, and one that its backbone cannot satisfy is rejected when the backbone is built")
    func network() throws {
        let recipe = try ExtractionRecipe(json: Self.json("image_size", 64))
        #expect(try recipe.graph().featureShape(of: "pooled") == [512])
        for (key, value) in [
            ("image_size", 3), ("numerics", "onnx"), ("backbone", "r3d_18"), ("backbone", "dinov2_vits14"),
            ("backbone", "none"),
        ] as [(String, any Sendable)] {
            #expect(throws: RecipeError.self, "\(key) = \(value)") {
                try ExtractionRecipe(json: Self.json(key, value)).graph()
            }
        }
    }

    @Test("a cache whose feature shape differs from the backbone's is rejected before the backbone runs")
    func shape() throws {
        let json = try Self.json("image_size", 64)
        func record(_ shape: [Int]) -> ExtractionRecord {
            ExtractionRecord(
                digest: "", name: "tiny", backbone: "resnet18", weights: "random", weightsDigest: nil, tap: "pooled",
                imageSize: 64, maxFrames: 4, featureShape: shape, precision: "f32", recipe: json, version: "test")
        }
        #expect(try record([512]).checkedRecipe().backbone == "resnet18")
        #expect(throws: RecipeError.otherShape(recipe: "tiny", network: [512], stored: [3])) {
            try record([3]).checkedRecipe()
        }
    }
}
