import Foundation

extension FuzzWorkplace {
    private static let trainingKeys = ["folds", "repeats", "calibrates", "clipNorm", "initialWeights"].map {
        ["training", $0]
    }
    private static let modelKeys = [
        "projection", "dense", "heads", "feedForward", "prompts", "templates", "text", "vocabulary",
    ].map { ["training", "model", $0] }
    private static let otherKeys = [
        "temperature", "sampledRate", "missing", "excluded", "diverged", "root", "crossValidation",
    ].map { [$0] }

    /// Changes one key of `config.json`, of a checkpoint's configuration or progress, of a tensor's description, or
    /// bytes of any file of a run's folder. Returns a description of the change.
    func damageRun(_ mutator: inout Mutator) throws -> String {
        let name = mutator.choice(of: Self.runs)
        let path = folder + "/runs/" + name
        switch mutator.next() % 8 {
        case 0...3: return name + " " + (try damageConfiguration(path + "/config.json", &mutator))
        case 4, 5:
            let file = mutator.choice(of: ["last.safetensors", "model.safetensors"])
            return "\(name) \(file) " + (try damageTensors("\(path)/\(file)", &mutator))
        case 6: return try damageRecipe(&mutator)
        default:
            let files = try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.contains(".") }.sorted()
            let file = mutator.choice(of: files)
            let whole = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)"))
            let damaged = mutator.mutate(
                [UInt8](whole), others: [], words: [",", "\"", "\r\n", "heldout", "train", "-1", "1e999", "\0", "[]"])
            try Data(damaged).write(to: URL(fileURLWithPath: "\(path)/\(file)"))
            return "\(name) bytes of \(file)"
        }
    }

    private func damageConfiguration(_ path: String, _ mutator: inout Mutator) throws -> String {
        var what = ""
        try Self.rewrite(path) { document in
            let changed = mutator.mutate(
                document: document, adding: Self.trainingKeys + Self.modelKeys + Self.otherKeys)
            what = changed.what
            return changed.document as? [String: Any] ?? [:]
        }
        return what
    }

    /// Changes the header of a `.safetensors`: a description of a tensor, or JSON in its metadata.
    private func damageTensors(_ path: String, _ mutator: inout Mutator) throws -> String {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let length = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
        guard
            var header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any]
        else { return "nothing" }
        var what = ""
        if var metadata = header["__metadata__"] as? [String: String], mutator.next() % 4 > 0,
            let key = ["configuration", "progress"].filter({ metadata[$0] != nil }).sorted().last(where: { _ in
                mutator.next() % 2 == 0
            })
        {
            let document = try JSONSerialization.jsonObject(with: Data((metadata[key] ?? "").utf8))
            let changed = mutator.mutate(document: document, adding: [["schedule", "rate"], ["bestValue"]])
            metadata[key] = String(
                decoding: try JSONSerialization.data(withJSONObject: changed.document), as: UTF8.self)
            (header["__metadata__"], what) = (metadata, "\(key) \(changed.what)")
        } else {
            let changed = mutator.mutate(document: header)
            header = changed.document as? [String: Any] ?? [:]
            what = changed.what
        }
        let json = try JSONSerialization.data(withJSONObject: header)
        let size = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
        try (size + json + data[(8 + length)...]).write(to: URL(fileURLWithPath: path))
        return what
    }
}
