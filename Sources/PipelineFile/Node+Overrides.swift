import Escaping
import Yams

extension Node {
    /// Sets `a.b.c=value`; missing mappings are created.
    mutating func apply(_ override: String) throws {
        let parts = override.splitBytes("=", maxSplits: 1, omittingEmptySubsequences: false)
        let keys = parts[0].splitBytes(".").map(String.init)
        guard parts.count == 2, !keys.isEmpty else {
            throw PipelineError(
                file: "--set",
                "`\(override)` is not of the form key=value, such as sequence.optimizer.learning_rate=1e-4")
        }
        guard let value = try? Yams.compose(yaml: String(parts[1])) else {
            throw PipelineError(file: "--set", "`\(parts[1])` is not a YAML value")
        }
        self = setting(keys[...], to: value.withoutMark)
    }

    /// Sets the value at a dotted path.
    mutating func set(_ key: String, to value: Node) {
        self = setting(key.splitBytes(".").map(String.init)[...], to: value)
    }

    private func setting(_ keys: ArraySlice<String>, to value: Node) -> Node {
        guard let key = keys.first else { return value }
        var mapping = self.mapping ?? Node.Mapping([])
        mapping[Node(key)] = (mapping[key] ?? .mapping(Mapping([]))).setting(keys.dropFirst(), to: value)
        return .mapping(mapping)
    }

    /// The value without its position in the parsed text, which is not in the file.
    private var withoutMark: Node {
        switch self {
        case .scalar(let scalar): .scalar(Scalar(scalar.string, scalar.tag, scalar.style))
        case .sequence(let sequence): .sequence(Sequence(sequence.map(\.withoutMark)))
        case .mapping(let mapping): .mapping(Mapping(mapping.map { ($0.key.withoutMark, $0.value.withoutMark) }))
        default: self
        }
    }
}
