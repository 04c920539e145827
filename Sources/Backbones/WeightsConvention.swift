import NeuralNetwork

/// Whose arithmetic a backbone follows with a weight file and what it is fed, by the user's word, by what the file says,
/// or else by the backbone's default; and what the file leaves open.
public struct WeightsConvention: Sendable, Equatable {
    /// Whose arithmetic the network follows.
    public let numerics: Numerics
    /// How pixels become the network's input.
    public let input: InputConvention
    /// Kinds of published files with the same tensor names that are for something else.
    let alternatives: [Alternative]
    private let chosen: String?
    private let backbone: String

    /// Other weights that the file may hold.
    struct Alternative: Sendable, Equatable {
        let files: String
        /// What to ask for; nil if it is what is used anyway.
        let numerics: Numerics?
        let input: InputConvention?
    }

    /// - Parameters:
    ///   - traits: what the file says.
    ///   - numerics: the arithmetic that the user asks for; nil follows the file.
    ///   - input: the input that the user asks for; nil follows the file.
    public init(
        _ backbone: Backbone, _ traits: WeightsTraits, numerics wanted: Numerics? = nil,
        input wantedInput: InputConvention? = nil
    ) {
        let possible = traits.numerics.filter(backbone.numerics.contains)
        let own = [wanted].compactMap(\.self).first(where: backbone.numerics.contains) ?? possible.first
        let numerics = own ?? backbone.numerics[0]
        let input = wantedInput ?? traits.input ?? backbone.inputConvention(numerics)
        (self.numerics, self.input, self.backbone) = (numerics, input, backbone.name)
        let isNumericsKnown = wanted != nil || traits.statesNumerics
        let isInputKnown = wantedInput != nil || traits.statesInput
        let variants = backbone.variants(traits.names)
        var found: [Alternative] = []
        for variant in variants {
            if isNumericsKnown, variant.numerics != numerics { continue }
            let others = variant.numerics == numerics ? nil : variant.numerics
            let implied = traits.input ?? backbone.inputConvention(variant.numerics)
            let otherInput = isInputKnown || variant.input == (others == nil ? input : implied) ? nil : variant.input
            guard others != nil || otherInput != nil else { continue }
            // Only the first of several kinds that the same keys ask for.
            if found.contains(where: { $0.numerics == others && $0.input == otherInput }) { continue }
            found.append(Alternative(files: variant.files, numerics: others, input: otherInput))
        }
        alternatives = found
        chosen = variants.first { $0.numerics == numerics && (isInputKnown || $0.input == input) }?.files
    }

    /// Says what is used and how to ask for something else; nil if the file, or the user, determines it.
    ///
    /// - Parameters:
    ///   - file: the weight file's name.
    ///   - isDifference: whether the user asks for differences of frames, which the key for the input must say too.
    ///   - option: how the user writes a key and its value, such as `extract.input: imagenet`.
    public func note(
        file: String, isDifference: Bool = false, option: (_ key: String, _ value: String) -> String
    ) -> String? {
        guard !alternatives.isEmpty else { return nil }
        func text(_ input: InputConvention) -> String {
            var input = input
            input.isDifference = isDifference ? true : nil
            return input.text
        }
        func keys(_ numerics: Numerics?, _ input: InputConvention?) -> String {
            [numerics.map { option("numerics", $0.rawValue) }, input.map { option("input", text($0)) }]
                .compactMap { $0.map { "`\($0)`" } }.joined(separator: " and ")
        }
        let opensNumerics = alternatives.contains { $0.numerics != nil }
        let opensInput = alternatives.contains { $0.input != nil }
        let used = keys(opensNumerics ? numerics : nil, opensInput ? input : nil)
        let others = alternatives.map { "for \($0.files) write \(keys($0.numerics, $0.input))" }
        return "\(file) does not say \(opensNumerics ? "whose arithmetic its weights are for" : "")"
            + (opensNumerics && opensInput ? " and " : "")
            + (opensInput ? "which mean and standard deviation its input has" : "")
            + ", and published files with these tensor names differ. \(backbone) uses \(used)"
            + (chosen.map { ", as for \($0)" } ?? "") + "; " + others.joined(separator: "; ")
            + ". To silence this note, write what is used."
    }
}
