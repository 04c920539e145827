import Escaping
import Files
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

    /// The most parts that are opened: each takes a file descriptor.
    private static let maximumParts = 512

    private struct Index: Decodable {
        let weightMap: [String: String]

        enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }

    /// The index beside a part, or the file itself where it is one; nil for other files.
    ///
    /// - Throws: `WeightsError.malformed` for a part without its index.
    static func index(for path: String) throws -> String? {
        if path.hasByteSuffix(".index.json") { return path }
        let name = path.fileName
        guard let match = name.wholeMatch(of: /(.+)-\d{5}-of-(\d{5})\.safetensors/), match.2 != "00001" else {
            return nil
        }
        let index = "\(OutputPath.parent(of: path))/\(match.1).safetensors.index.json"
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
        let json: Data
        do { json = try RegularFile.json(path) } catch {
            throw WeightsError.unreadable(file: path, reason: error.reason)
        }
        guard let index = try? JSONDecoder().decode(Index.self, from: json), !index.weightMap.isEmpty else {
            throw malformed("it is no index of parts: it lacks weight_map")
        }
        guard Set(index.weightMap.values).count <= Self.maximumParts else {
            throw malformed("its index names more than \(Self.maximumParts) parts")
        }
        let folder = OutputPath.parent(of: path)
        var parts: [String: SafeTensorsFile] = [:]
        var shapes: [String: [Int]] = [:]
        var tensors = 0
        for (tensor, name) in index.weightMap {
            // A name, not a way to somewhere else.
            guard !name.containsBytes("/"), !name.utf8.contains(0), !name.hasBytePrefix("."),
                name.hasByteSuffix(".safetensors")
            else {
                throw malformed("its index names \(name), which is no part beside it")
            }
            if parts[name] == nil {
                let part = try SafeTensorsFile(path: folder.isEmpty ? name : folder + "/" + name)
                tensors += part.count
                guard tensors <= SafeTensorsFile.maximumTensors else {
                    throw malformed("its parts describe more than \(SafeTensorsFile.maximumTensors) tensors")
                }
                parts[name] = part
            }
            guard let shape = parts[name]?.shape(of: tensor) else {
                throw malformed("\(name) lacks the tensor \(tensor)")
            }
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
