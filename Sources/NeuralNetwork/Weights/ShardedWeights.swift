import Foundation

/// A network in several `.safetensors` files as hubs keep large ones: `model-00001-of-00003.safetensors` and so on, and an
/// index `model.safetensors.index.json` that says which tensor is where.
struct ShardedWeights: Checkpoint {
    /// The path of the index.
    let path: String
    /// How the file is written.
    var format: String { "safetensors in \(files.count) parts" }
    /// Shape of every tensor, by name.
    let shapes: [String: [Int]]
    /// All parts' paths, in order of their names.
    let files: [String]
    private let parts: [String: SafeTensorsFile]
    private let places: [String: String]

    private struct Index: Decodable {
        let weightMap: [String: String]

        enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }

    /// The index beside a part, or the file itself where it is one; nil for other files.
    ///
    /// - Throws: `WeightsError.malformed` for a part without its index.
    static func index(for path: String) throws -> String? {
        if path.hasSuffix(".index.json") { return path }
        let name = (path as NSString).lastPathComponent
        guard let match = name.wholeMatch(of: /(.+)-\d{5}-of-(\d{5})\.safetensors/), match.2 != "00001" else {
            return nil
        }
        let index = ((path as NSString).deletingLastPathComponent as NSString)
            .appendingPathComponent("\(match.1).safetensors.index.json")
        guard FileManager.default.fileExists(atPath: index) else {
            throw WeightsError.malformed(
                file: path,
                reason:
                    "it is one of \(Int(match.2) ?? 0) parts, and their index \(match.1).safetensors.index.json is not beside "
                    + "it. Fetch the index and all parts into one folder, and name the index")
        }
        return index
    }

    /// - Throws: `WeightsError` where the index or a part is missing, damaged, or lies elsewhere.
    init(index path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        let file = try FileBytes(path: path)
        guard file.count < 100_000_000 else { throw malformed("its index has \(file.count) bytes") }
        guard let index = try? JSONDecoder().decode(Index.self, from: file.read(0..<file.count)),
            !index.weightMap.isEmpty
        else { throw malformed("it is no index of parts: it lacks weight_map") }
        let folder = (path as NSString).deletingLastPathComponent
        var parts: [String: SafeTensorsFile] = [:]
        var shapes: [String: [Int]] = [:]
        for (tensor, name) in index.weightMap {
            // A name, not a way to somewhere else.
            guard !name.contains("/"), !name.hasPrefix("."), name.hasSuffix(".safetensors") else {
                throw malformed("its index names \(name), which is no part beside it")
            }
            if parts[name] == nil {
                parts[name] = try SafeTensorsFile(path: folder.isEmpty ? name : folder + "/" + name)
            }
            guard let shape = parts[name]?.shapes[tensor] else { throw malformed("\(name) lacks the tensor \(tensor)") }
            shapes[tensor] = shape
        }
        self.path = path
        self.parts = parts
        self.shapes = shapes
        places = index.weightMap
        files = parts.keys.sorted().map { folder.isEmpty ? $0 : folder + "/" + $0 }
    }

    /// The tensor called `name` as `Float`, or nil.
    func tensor(named name: String) throws -> Tensor? {
        try places[name].flatMap { try parts[$0]?.tensor(named: name) }
    }
}
