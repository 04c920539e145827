import NeuralNetwork

/// Guesses which network a mismatched file belongs to.
package enum WeightsHint {
    /// A hint as a sentence, or nil.
    ///
    /// - Parameters:
    ///   - expected: the network's parameters.
    ///   - found: the file's tensors.
    package static func text(expected: [Graph.Parameter], found: [String: [Int]]) -> String? {
        let reach = overFrames(expected, found).map { " " + $0 } ?? ""
        if let backbone = Backbone.looking(like: found) { return "This looks like \(backbone.name).\(reach)" }
        if !reach.isEmpty { return String(reach.dropFirst()) }
        let isText = found.keys.contains { $0.hasSuffix("token_embedding.weight") }
        if isText, !found.keys.contains(where: { $0.contains("patch_embed") || $0.hasPrefix("visual.") }) {
            return "This is a text tower without its image tower: name the file that holds the image tower, or both."
        }
        return nil
    }

    /// Detects image-encoder weights for a video encoder, and the reverse.
    private static func overFrames(_ expected: [Graph.Parameter], _ found: [String: [Int]]) -> String? {
        let wanted = expected.contains { $0.shape.count == 5 }
        guard wanted != found.values.contains(where: { $0.count == 5 }), !found.isEmpty else { return nil }
        return wanted
            ? "It belongs to an image encoder; this backbone is a video encoder."
            : "It belongs to a video encoder; this backbone is an image encoder."
    }
}
