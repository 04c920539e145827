import Escaping
import Files
import NeuralNetwork
import ONNX

/// A network's weights from a file of any known format, wherever in the file they are. Dictionary keys and module names
/// are treated alike: `state_dict.module.backbone.conv1.weight`. A place is a prefix under which all the network's
/// tensors are found with their shapes, without additional tensors that the network would have to compute with. If
/// there are several places, the one that publishers evaluate is used (`rank`) and reported; `part` selects another.
package struct ResolvedWeights: Sendable {
    /// The tensors under the network's names.
    package let checkpoint: any Checkpoint
    /// The prefix of the place without the last dot; nil if the file contains one network.
    package let part: String?
    /// The prefixes of the other matching places.
    package let others: [String]
    /// Side of the grid of a transformer's position embeddings, if it differs from the backbone's.
    package let grid: Int?
    /// Modules of the file that the network does not use, such as another classifier.
    package let unused: [String]

    /// `backbone`: nil for any known one. `part`: all or the end of the place's prefix; nil selects the one that
    /// publishers evaluate. Throws `WeightsError`.
    package init(path: String, for backbone: Backbone? = nil, part: String? = nil) throws {
        if let network = try backbone?.network ?? Self.single(path) {
            if let backbone, backbone.network == nil { try Self.checkNothingLeft(network, backbone) }
            if let part { throw WeightsError.unknownPart(file: path, part: part, known: []) }
            self.init(checkpoint: network, part: nil, others: [], grid: nil)
            return
        }
        if let start = try? RegularFile.start(of: path, count: FileSignature.length),
            !path.hasByteSuffix(".index.json"), let foreign = FileSignature.foreignWeights(Array(start))
        {
            throw WeightsError.foreign(file: path, found: foreign.found, remedy: foreign.remedy)
        }
        try self.init(openCheckpoint(path: path), for: backbone, part: part)
    }

    private init(checkpoint: any Checkpoint, part: String?, others: [String], grid: Int?) {
        (self.checkpoint, self.part, self.others, self.grid) = (checkpoint, part, others, grid)
        unused = (checkpoint as? KerasWeights)?.unused ?? []
    }

    private static func checkNothingLeft(_ file: any Checkpoint, _ backbone: Backbone) throws {
        let network = ExpectedTensors(backbone)
        let leftOver = network.fits(file.shapes) ? network.leftOver(file.shapes) : []
        if !leftOver.isEmpty { throw Self.leftOver(leftOver, file.shapes, file.path, backbone) }
    }

    private static func leftOver(
        _ names: [String], _ shapes: [String: [Int]], _ path: String, _ backbone: Backbone
    ) -> WeightsError {
        let hint = Backbone.looking(like: shapes).map { "this looks like \($0.name)" }
        return .leftOver(file: path, network: backbone.name, names: names.sorted(), hint: hint)
    }

    /// The network of a file format that holds only one; nil for other formats.
    private static func single(_ path: String) throws -> (any Checkpoint)? {
        if path.hasByteSuffix(".onnx") { return try ImportedNetwork(path: path) }
        return KerasFile.recognizes(path: path) ? try KerasWeights(path: path) : nil
    }

    /// A prefix under which a network was found.
    struct Place {
        let prefix: String
        let named: any Checkpoint
        let network: ExpectedTensors
        /// Tensors under the prefix that the network would have to compute with.
        let leftOver: [String]

        var name: String { String(prefix.dropLast()) }
    }

    init(_ file: any Checkpoint, for backbone: Backbone?, part: String?) throws {
        let networks = backbone.map { [ExpectedTensors($0)] } ?? ExpectedTensors.all
        let places = Self.places(file, networks, part)
        let whole = places.filter(\.leftOver.isEmpty).sorted {
            (Self.rank($0.prefix), $0.prefix.utf8.count, $0.prefix) < (
                Self.rank($1.prefix), $1.prefix.utf8.count, $1.prefix
            )
        }
        if let place = whole.first {
            checkpoint = place.named
            let all = part == nil ? whole : Self.places(file, networks, nil).filter(\.leftOver.isEmpty)
            self.part = all.count > 1 ? place.name : nil
            others = all.map(\.name).filter { $0 != place.name }
            grid = place.network.grid(of: place.named.shapes)
            unused = Self.unused(file, place, all)
            return
        }
        if let part {
            throw WeightsError.unknownPart(
                file: file.path, part: part, known: Self.places(file, networks, nil).map(\.name).filter { !$0.isEmpty })
        }
        if let backbone, let place = places.min(by: { $0.leftOver.count < $1.leftOver.count }) {
            throw Self.leftOver(place.leftOver, place.named.shapes, file.path, backbone)
        }
        checkpoint = Self.nearest(file, networks) ?? Self.unwrapped(file)
        (self.part, others, grid, unused) = (nil, [], nil, [])
    }

    /// Every place at which one of the networks is found; of several at one place, the one with most parameters.
    private static func places(_ file: any Checkpoint, _ networks: [ExpectedTensors], _ part: String?) -> [Place] {
        var origins: Set<String> = []
        return prefixes(file, networks).filter { isNamed($0, part) }.compactMap { prefix in
            guard let named = translated(file.behind(prefix)) else { return nil }
            let shapes = named.shapes
            let fitting = networks.filter { $0.fits(shapes) }
            guard let network = fitting.max(by: { $0.all.count < $1.all.count }) else { return nil }
            // Schemes also know publishers' prefixes, so the same tensors may be found under a shorter prefix.
            guard origins.insert(prefix + origin(of: network.anchor, in: named)).inserted else { return nil }
            return Place(prefix: prefix, named: named, network: network, leftOver: network.leftOver(shapes))
        }
    }

    private static func origin(of name: String, in file: any Checkpoint) -> String {
        (file as? RenamedWeights)?.original(of: name) ?? name
    }

    /// Prefixes of the first tensors of networks, under any publisher's names.
    private static func prefixes(_ file: any Checkpoint, _ networks: [ExpectedTensors]) -> [String] {
        file.prefixes(of: Array(Set(networks.map(\.anchor))) + RenamedWeights.anchors)
    }

    /// Whether a prefix matches the user's name: `teacher` or `teacher.backbone` for `teacher.backbone.`.
    private static func isNamed(_ prefix: String, _ part: String?) -> Bool {
        guard let part else { return true }
        return part.isEmpty ? prefix.isEmpty : ("." + prefix).containsBytes("." + part + ".")
    }

    static func translated(_ file: any Checkpoint) -> (any Checkpoint)? {
        file.shapes.isEmpty ? nil : RenamedWeights(file) ?? file
    }

    /// The place with the most matching tensors, for the error that lists what is missing.
    private static func nearest(_ file: any Checkpoint, _ networks: [ExpectedTensors]) -> (any Checkpoint)? {
        guard networks.count == 1, let network = networks.first else { return nil }
        let scored = prefixes(file, networks).compactMap { prefix in
            translated(file.behind(prefix)).map { (named: $0, score: network.score($0.shapes)) }
        }
        let best = scored.max { $0.score < $1.score }
        return best.flatMap { $0.score > 0 ? $0.named : nil }
    }

    /// A file of an unknown network without the most common wrappers of PyTorch scripts.
    private static func unwrapped(_ file: any Checkpoint) -> any Checkpoint {
        var prefix = ""
        for wrapper in ["state_dict.", "model."]
        where file.shapes.keys.contains(where: { $0.hasBytePrefix(prefix + wrapper) }) { prefix += wrapper }
        let inner = file.behind(prefix)
        let isParallel = inner.shapes.keys.allSatisfy { $0.hasBytePrefix("module.") }
        return translated(isParallel ? inner.behind("module.") : inner) ?? file
    }

    /// Which of several networks in a file is evaluated, lowest first: exponential moving averages before the weights
    /// that they average, as in timm; DINO's teacher; MoCo's query encoder, not the key encoder that follows it.
    private static func rank(_ prefix: String) -> Int {
        // MMEngine swaps them before saving: the averages are in `state_dict`.
        if prefix.hasBytePrefix("ema_state_dict.") { return 4 }
        let words = words(of: prefix)
        if !words.isDisjoint(with: ["ema", "averaged", "swa", "teacher"]) { return 0 }
        if words.contains("online") { return 1 }
        if words.contains("target") { return 2 }
        return words.isDisjoint(with: ["student", "momentum", "k", "key"]) && !isTrainingState(words) ? 3 : 4
    }

    private static func words(of name: String) -> Set<String> {
        Set(name.splitBytes { [UInt8(ascii: "."), UInt8(ascii: "_")].contains($0) }.map { $0.lowercased() })
    }

    /// Modules of a file that are in none of the networks found and are not optimiser state: heads, and unused parts.
    private static func unused(_ file: any Checkpoint, _ place: Place, _ all: [Place]) -> [String] {
        let others = all.map(\.prefix).filter { $0 != place.prefix && !$0.isEmpty }
        let known = place.prefix.splitBytes(".").map(String.init)
        let inside = place.network.unknownModules(place.named.shapes).map { place.prefix + $0 }
        let outside = file.shapes.keys.filter { !$0.hasBytePrefix(place.prefix) }.map { name in
            let parts = name.splitBytes(".").map(String.init)
            let common = zip(parts, known).prefix { $0 == $1 }.count
            return parts.prefix(common + 1).joined(separator: ".")
        }
        return Set(inside + outside).filter { module in
            !others.contains { (module + ".").hasBytePrefix($0) || $0.hasBytePrefix(module + ".") }
                && !isTrainingState(words(of: module))
        }.sorted()
    }

    /// Whether tensors of such a name have parameter shapes but are training state, such as gradients.
    private static func isTrainingState(_ words: Set<String>) -> Bool {
        !words.isDisjoint(with: [
            "optimizer", "optimizers", "optim", "scheduler", "schedulers", "scaler", "grad", "grads", "gradients",
            "exp",
        ])
    }
}

/// Opens a weight file of any known format, which is detected from the content. Throws `WeightsError`.
package func openWeights(path: String) throws -> any Checkpoint { try ResolvedWeights(path: path).checkpoint }
