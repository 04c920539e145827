import NeuralNetwork

/// What a file that does not fit a network seems to be.
public enum WeightsHint {
    /// A sentence, or nil where nothing can be told.
    ///
    /// - Parameters:
    ///   - expected: what the network asks for.
    ///   - found: the file's tensors.
    public static func text(expected: [Graph.Parameter], found: [String: [Int]]) -> String? {
        let reach = overFrames(expected, found).map { " " + $0 } ?? ""
        if let backbone = Backbone.looking(like: found) { return "This looks like \(backbone.name).\(reach)" }
        if !reach.isEmpty { return String(reach.dropFirst()) }
        let isText = found.keys.contains { $0.hasSuffix("token_embedding.weight") }
        if isText, !found.keys.contains(where: { $0.contains("patch_embed") || $0.hasPrefix("visual.") }) {
            return "This is a text tower without its image tower: name the file that holds the image tower, or both."
        }
        return nil
    }

    /// Where a network of windows is given weights of one that sees pictures, or the other way round.
    private static func overFrames(_ expected: [Graph.Parameter], _ found: [String: [Int]]) -> String? {
        let wanted = expected.contains { $0.shape.count == 5 }
        guard wanted != found.values.contains(where: { $0.count == 5 }), !found.isEmpty else { return nil }
        return wanted
            ? "It is of a network that sees one picture at a time; this one sees several frames."
            : "It is of a network that sees several frames; this one sees one picture at a time."
    }
}
