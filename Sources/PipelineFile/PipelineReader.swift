import Files
import Yams

/// Reads one mapping of a pipeline file strictly: every key must be known, every value must have its type and range.
/// Errors name the file, the line, the key and the nearest valid one.
struct PipelineReader {
    let file: String
    /// Such as `extract.sampling`; empty at the top level.
    let path: String
    private let mapping: Node.Mapping
    private let line: Int?

    /// - `keys`: valid keys of the mapping; nil for any.
    init(_ node: Node, file: String, path: String, keys: [String]?) throws {
        self.file = file
        self.path = path
        line = node.mark?.line
        guard case .mapping(let mapping) = node else {
            throw PipelineError(
                file: file, line: node.mark?.line,
                message: "\(path.isEmpty ? "the file" : "`\(path)`") must be a list of `key: value`")
        }
        self.mapping = mapping
        var seen: Set<String> = []
        for (key, _) in mapping {
            let name = key.string ?? ""
            if let keys, !keys.contains(name) {
                let hint = nearest(to: name, among: keys).map { "; did you mean `\($0)`?" }
                throw error(
                    at: key, "unknown key `\(full(name))`" + (hint ?? "; the keys are \(keys.joined(separator: ", "))"))
            }
            guard seen.insert(name).inserted else { throw error(at: key, "the key `\(full(name))` is given twice") }
        }
    }

    func node(_ key: String) -> Node? { mapping[key] }

    /// The keys of the mapping.
    var names: [String] { mapping.map { $0.key.string ?? "" } }

    func has(_ key: String) -> Bool { mapping[key] != nil }

    /// The nested mapping under `key`.
    func section(_ key: String, keys: [String]?) throws -> PipelineReader? {
        guard let node = mapping[key] else { return nil }
        return try PipelineReader(node, file: file, path: full(key), keys: keys)
    }

    /// The mappings of a list under `key`, or a single mapping.
    func sections(_ key: String, keys: [String]?) throws -> [PipelineReader] {
        guard let nodes = mapping[key]?.sequence else { return try section(key, keys: keys).map { [$0] } ?? [] }
        return try nodes.map { try PipelineReader($0, file: file, path: full(key), keys: keys) }
    }

    func required<Value>(_ key: String, _ read: (String) throws -> Value?) throws -> Value {
        guard let value = try read(key) else {
            throw PipelineError(file: file, line: line, message: "`\(full(key))` is missing")
        }
        return value
    }

    func string(_ key: String) throws -> String? {
        guard let node = mapping[key] else { return nil }
        guard let value = node.scalar?.string, node.null == nil else { throw wrong(key, node, "a text") }
        return value
    }

    func strings(_ key: String) throws -> [String]? {
        guard let node = mapping[key] else { return nil }
        guard let nodes = node.sequence else { throw wrong(key, node, "a list of texts") }
        return try nodes.map { item in
            guard let text = item.scalar?.string else { throw wrong(key, item, "a list of texts") }
            return text
        }
    }

    /// A list of strings, or one.
    func stringOrStrings(_ key: String) throws -> [String]? {
        guard mapping[key]?.sequence != nil else { return try string(key).map { [$0] } }
        return try strings(key)
    }

    /// The value for one of `total` backbones: a single value applies to all.
    func entry<Value>(_ values: [Value], of key: String, at index: Int, of total: Int) throws -> Value {
        if values.count == 1 { return values[0] }
        guard values.count == total else {
            throw invalid(key, "lists \(values.count), but `\(full("backbone"))` lists \(total)")
        }
        return values[index]
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        try mapping[key].map { try integer($0, of: key, in: range) }
    }

    private func integer(_ node: Node, of key: String, in range: ClosedRange<Int>) throws -> Int {
        guard let value = node.int, range.contains(value) else { throw wrong(key, node, "an integer \(range.words)") }
        return value
    }

    /// A list of integers, or one.
    func integers(_ key: String, in range: ClosedRange<Int>) throws -> [Int]? {
        guard let node = mapping[key], let nodes = node.sequence else {
            return try integer(key, in: range).map { [$0] }
        }
        guard !nodes.isEmpty else { throw wrong(key, node, "a number or a list of numbers") }
        return try nodes.map { try integer($0, of: key, in: range) }
    }

    func number(_ key: String, in range: NumberRange) throws -> Double? {
        try number(key, range.contains, range.description)
    }

    func number(_ key: String, _ isValid: (Double) -> Bool, _ range: String) throws -> Double? {
        guard let node = mapping[key] else { return nil }
        // YAML 1.1 parses "5e-4" as a string, but a number is meant.
        guard let value = node.float ?? node.scalar.flatMap({ Double($0.string) }), value.isFinite, isValid(value)
        else { throw wrong(key, node, "a number \(range)") }
        return value
    }

    /// A list of exactly `count` numbers.
    func numbers(_ key: String, count: Int, _ isValid: (Float) -> Bool) throws -> [Float]? {
        guard let node = mapping[key] else { return nil }
        let values = node.sequence?.compactMap { $0.scalar.flatMap { Float($0.string) } } ?? []
        guard values.count == count, node.sequence?.count == count, values.allSatisfy({ $0.isFinite && isValid($0) })
        else { throw wrong(key, node, "a list of \(count) valid numbers") }
        return values
    }

    func boolean(_ key: String) throws -> Bool? {
        guard let node = mapping[key] else { return nil }
        guard let value = node.bool else { throw wrong(key, node, "true or false") }
        return value
    }

    /// A case name of an enumeration.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(_ key: String, _: Choice.Type) throws -> Choice? {
        try choice(key, Choice.allCases.map(\.rawValue)).flatMap(Choice.init)
    }

    func choice(_ key: String, _ names: [String]) throws -> String? {
        guard let node = mapping[key] else { return nil }
        let value = try string(key) ?? ""
        try check(value, key, node, names)
        return value
    }

    /// A list of names, or one.
    func choices(_ key: String, _ names: [String]) throws -> [String]? {
        guard let node = mapping[key], let nodes = node.sequence else { return try choice(key, names).map { [$0] } }
        let values = try strings(key) ?? []
        if values.isEmpty { throw wrong(key, node, "a name or a list of names") }
        for (value, node) in zip(values, nodes) { try check(value, key, node, names) }
        return values
    }

    private func check(_ value: String, _ key: String, _ node: Node, _ names: [String]) throws {
        guard names.contains(value) else {
            let hint = nearest(to: value, among: names).map { "did you mean `\($0)`? " } ?? ""
            throw error(
                at: node,
                "`\(full(key))` cannot be `\(value)`; \(hint)it must be one of \(names.joined(separator: ", "))")
        }
    }

    /// An error at the value of `key`.
    func invalid(_ key: String, _ message: String) -> PipelineError {
        PipelineError(file: file, line: mapping[key]?.mark?.line ?? line, message: "`\(full(key))` \(message)")
    }

    /// Throws if one of `keys` is present although it has no effect here, for the given reason.
    func forbid(_ keys: [String], _ reason: String) throws {
        for key in keys where has(key) { throw invalid(key, reason) }
    }

    func wrong(_ key: String, _ node: Node, _ expected: String) -> PipelineError {
        let found = node.scalar.map { "`\($0.string)`" } ?? (node.sequence != nil ? "a list" : "a mapping")
        return error(at: node, "`\(full(key))` must be \(expected), not \(found)")
    }

    private func error(at node: Node, _ message: String) -> PipelineError {
        PipelineError(file: file, line: node.mark?.line ?? line, message: message)
    }

    func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}
