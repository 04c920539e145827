import Datasets
import Escaping
import Foundation
import NeuralNetwork
import Yams

/// The `sweep` section of a pipeline: keys with their values, and the resulting runs.
package struct SweepPlan: Sendable {
    package struct Point: Sendable {
        package let name: String
        /// One value for each key of the sweep, as text.
        package let values: [String]
        package var pipeline: Pipeline
    }

    /// The varied keys, in the order of the file.
    package let keys: [String]
    /// Every combination, or a random sample of them, in a deterministic order.
    package var points: [Point]

    /// Reads a pipeline file with a `sweep` section. Throws `PipelineError`, also if a combination is not a valid
    /// pipeline.
    package init(file: String, overrides: [String] = []) throws {
        let root = try Pipeline.parse(file: file, overrides: overrides)
        let base = try Pipeline(root, file: file)
        guard let node = root.mapping?["sweep"] else {
            throw PipelineError(file: file, "`sweep` is missing: list keys of `sequence` and their values")
        }
        let reader = try PipelineReader(node, file: file, path: "sweep", keys: nil)
        let keys = reader.names.filter { $0 != "random" && $0 != "random_seed" }
        self.keys = keys
        let runs = try reader.integer("random", in: 1...100_000)
        let seed = try reader.integer("random_seed", in: 0...Int.max) ?? 0
        guard !keys.isEmpty else {
            throw PipelineError(file: file, "`sweep` is empty: list keys of `sequence` and their values")
        }
        for key in keys where !key.hasBytePrefix("sequence.") {
            throw reader.invalid(
                key, "cannot vary: only keys of `sequence` can, such as sequence.optimizer.learning_rate")
        }
        let axes = try keys.map { try Axis(reader, key: $0, isRandom: runs != nil) }
        let choices = try runs.map { Self.draw($0, from: axes, seed: UInt64(seed)) } ?? Self.grid(axes, file: file)
        let digits = max(2, String(choices.count).count)
        points = try choices.enumerated().map { index, nodes in
            var changed = root
            for (key, node) in zip(keys, nodes) { changed.set(key, to: node) }
            let number = String(index + 1)
            let name = base.name + "-s" + String(repeating: "0", count: digits - number.count) + number
            return Point(name: name, values: nodes.map(\.shortText), pipeline: try Pipeline(changed, file: file))
        }
    }

    private enum Axis {
        case list([Node])
        case range(lower: Double, upper: Double, isLogarithmic: Bool)

        init(_ reader: PipelineReader, key: String, isRandom: Bool) throws {
            if let nodes = reader.node(key)?.sequence {
                if nodes.isEmpty { throw reader.invalid(key, "must not be empty") }
                self = .list(Array(nodes))
            } else if let range = try? reader.section(key, keys: ["from", "to", "scale"]), isRandom {
                let lower = try range.required("from") { try range.number($0, { _ in true }, "") }
                let upper = try range.required("to") { try range.number($0, { $0 > lower }, "above `from`") }
                let scale = try range.choice("scale", ["linear", "log"]) ?? "linear"
                if scale == "log" && lower <= 0 { throw range.invalid("from", "must be above 0 on a log scale") }
                self = .range(lower: lower, upper: upper, isLogarithmic: scale == "log")
            } else {
                throw reader.invalid(
                    key, "must be a list of values" + (isRandom ? ", or {from, to, scale: linear | log}" : ""))
            }
        }

        func draw(_ generator: inout SplitMix64) -> Node {
            switch self {
            case .list(let nodes): return nodes[Int.random(in: 0..<nodes.count, using: &generator)]
            case .range(let lower, let upper, let isLogarithmic):
                let share = Double.random(in: 0...1, using: &generator)
                let value = isLogarithmic ? lower * pow(upper / lower, share) : lower + (upper - lower) * share
                return Node(String(value))
            }
        }
    }

    /// Every combination, the last key varying fastest.
    private static func grid(_ axes: [Axis], file: String) throws -> [[Node]] {
        let lists = axes.map { axis -> [Node] in if case .list(let nodes) = axis { nodes } else { [] } }
        let count = lists.reduce(1) { $0.multipliedReportingOverflow(by: $1.count).partialValue }
        guard count <= 100_000 else {
            throw PipelineError(file: file, "`sweep` has \(count) runs; use `random: N` to sample some of them")
        }
        return lists.reduce([[]]) { combinations, values in
            combinations.flatMap { combination in values.map { combination + [$0] } }
        }
    }

    private static func draw(_ count: Int, from axes: [Axis], seed: UInt64) -> [[Node]] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in axes.map { $0.draw(&generator) } }
    }
}

extension Node {
    /// On one line, for tables and file names.
    fileprivate var shortText: String {
        switch self {
        case .scalar(let scalar): scalar.string
        case .sequence(let sequence): "[" + sequence.map(\.shortText).joined(separator: ", ") + "]"
        case .mapping(let mapping):
            "{" + mapping.map { "\($0.key.shortText): \($0.value.shortText)" }.joined(separator: ", ") + "}"
        default: ""
        }
    }
}
