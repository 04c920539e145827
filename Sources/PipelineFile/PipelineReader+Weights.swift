import Extraction

extension PipelineReader {
    /// The weights of each of `count` backbones: `random`, a file, or `{file: …, part: …}`; one for all, or a list.
    func weights(count: Int) throws -> [ExtractionConfiguration.Weights] {
        let entries = try required("weights") { key in
            guard let node = node(key) else { return nil as [ExtractionConfiguration.Weights]? }
            return try (node.sequence.map(Array.init) ?? [node]).map { item in
                if let name = item.scalar?.string, item.null == nil { return name == "random" ? .random : .file(name) }
                guard item.mapping != nil else {
                    throw wrong(key, item, "`random`, a file, `{file: …, part: …}`, or a list of these")
                }
                let section = try PipelineReader(item, file: file, path: full(key), keys: ["file", "part"])
                return .file(try section.required("file", section.string), part: try section.string("part"))
            }
        }
        if entries.isEmpty { throw invalid("weights", "must not be empty") }
        return try (0..<count).map { try entry(entries, of: "weights", at: $0, of: count) }
    }
}
