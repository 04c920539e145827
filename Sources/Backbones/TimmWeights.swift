import NeuralNetwork

/// A timm EfficientNet (B0 to B7) with torchvision's tensor names. timm's ResNet, InceptionV3 and VGG16 have
/// torchvision's names already; the graphs of all later networks use timm's.
package struct TimmWeights: Checkpoint {
    package var path: String { file.path }
    package var files: [String] { file.files }
    package var format: String { file.format + ", names of timm" }
    package var notes: [String] { file.notes }
    package let shapes: [String: [Int]]

    let file: any Checkpoint
    private let originals: [String: String]

    /// Nil if the names are not those of timm's EfficientNet.
    init?(_ file: any Checkpoint) {
        let found = file.shapes
        // Related networks without squeeze-and-excitation in the first block use timm's names in the graph.
        guard found["conv_stem.weight"] != nil, found["blocks.0.0.se.conv_reduce.weight"] != nil else { return nil }
        var shapes: [String: [Int]] = [:], originals: [String: String] = [:]
        for (name, shape) in found {
            let translated = Self.translated(name) ?? name
            shapes[translated] = shape
            originals[translated] = name
        }
        (self.file, self.shapes, self.originals) = (file, shapes, originals)
    }

    func original(of name: String) -> String? { originals[name] }

    package func tensor(named name: String) throws -> Tensor? {
        try originals[name].flatMap { try file.tensor(named: $0) }
    }

    static func translated(_ name: String) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let (module, leaf) = (String(name[..<dot]), name[dot...])
        if let module = ends[module] { return module + leaf }
        guard let match = module.wholeMatch(of: /blocks\.(\d+)\.(\d+)\.(.+)/), let stage = Int(match.1),
            let part = (stage == 0 ? unexpanded : expanded)[String(match.3)]
        else { return nil }
        return "features.\(stage + 1).\(match.2).block.\(part)\(leaf)"
    }

    private static let ends = [
        "conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.8.0", "bn2": "features.8.1",
        "classifier": "classifier.1",
    ]
    private static let unexpanded = [
        "conv_dw": "0.0", "bn1": "0.1", "se.conv_reduce": "1.fc1", "se.conv_expand": "1.fc2", "conv_pw": "2.0",
        "bn2": "2.1",
    ]
    private static let expanded = [
        "conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se.conv_reduce": "2.fc1",
        "se.conv_expand": "2.fc2", "conv_pwl": "3.0", "bn3": "3.1",
    ]
}
