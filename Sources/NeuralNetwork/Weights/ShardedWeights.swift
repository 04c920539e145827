import Escaping
import Files
import Foundation

/// A checkpoint sharded as on model hubs: `model-00001-of-00003.safetensors` and so on, with an index
/// `model.safetensors.index.json` that maps tensors to shards.
struct ShardedWeights: Checkpoint {
    /// The path of the index.
    let path: String
    var format: String { "safetensors in \(files.count) parts" }
    let shapes: [String: [Int]]
    let files: [String]
    private let parts: [String: SafeTensorsFile]
    private let places: [String: String]

    /// Maximum shards, since each takes a file descriptor.
    private static let maximumParts = 512

    private struct Index: Decodable {
        let weightMap: [String: String]

        enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }

    /// Returns the index beside a shard, the file itself if it is an index, or nil for other files. Throws
    /// `WeightsError.malformed` for a shard without its index.
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
                    "it is one of \(Int(match.2) ?? 0) parts, and their index \(match.1).safetensors.index.json is not "
                    + "beside it. Fetch the index and all parts into one folder, and name the index")
        }
        return index
    }

    /// - Throws: `WeightsError` if the index or a shard is missing, damaged, or outside the folder.
    init(index path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        let json: Data
        do { json = try RegularFile.json(path) } catch {
            throw WeightsError.unreadable(file: path, reason: error.reason)
        }
        guard let index = try? JSONDecoder().decode(Index.self, from: json), !index.weightMap.isEmpty else {
            throw malformed("it is not an index of parts: it lacks weight_map")
        }
        guard Set(index.weightMap.values).count <= Self.maximumParts else {
            throw malformed("its index names more than \(Self.maximumParts) parts")
        }
        let folder = OutputPath.parent(of: path)
        var parts: [String: SafeTensorsFile] = [:], shapes: [String: [Int]] = [:], tensors = 0
        for (tensor, name) in index.weightMap {
            // Only plain file names are accepted: a path could leave the folder.
            guard !name.containsBytes("/"), !name.utf8.contains(0), !name.hasBytePrefix("."),
                name.hasByteSuffix(".safetensors")
            else { throw malformed("its index names \(name), which is not a part in the same folder") }
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
        (self.path, self.parts, self.shapes) = (path, parts, shapes)
        places = index.weightMap
        files = parts.keys.sorted().map { folder.isEmpty ? $0 : folder + "/" + $0 }
    }

    func tensor(named name: String) throws -> Tensor? {
        try places[name].flatMap { try parts[$0]?.tensor(named: name) }
    }
}
