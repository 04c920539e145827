import NeuralNetwork

/// The implementation and input normalisation to use with a weight file, from the user's options, the file, or the
/// backbone's defaults in this order, with the alternatives that remain possible.
package struct WeightsConvention: Sendable, Equatable {
    package let numerics: Numerics
    package let input: InputConvention
    /// Other kinds of published files with the same tensor names.
    let alternatives: [Alternative]
    private let chosen: String?
    private let backbone: String

    struct Alternative: Sendable, Equatable {
        let files: String
        /// The implementation to request; nil if it is the one in use.
        let numerics: Numerics?
        let input: InputConvention?
    }

    /// `traits`: what the file states. `numerics`: the user's choice of implementation; nil follows the file. `input`:
    /// the user's choice of input; nil follows the file.
    package init(
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
            // Several kinds may need the same options; only the first is listed.
            if found.contains(where: { $0.numerics == others && $0.input == otherInput }) { continue }
            found.append(Alternative(files: variant.files, numerics: others, input: otherInput))
        }
        alternatives = found
        chosen = variants.first { $0.numerics == numerics && (isInputKnown || $0.input == input) }?.files
    }

    /// States what is used and how to choose an alternative; nil if the file or the user determines it. `file`: the
    /// weight file's name. `isDifference`: whether the user asked for frame differences, which the input option must
    /// then contain too. `option`: formats a key and its value, such as `extract.input: imagenet`.
    package func note(
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
        return "\(file) does not state \(opensNumerics ? "which numerics its weights use" : "")"
            + (opensNumerics && opensInput ? " and " : "")
            + (opensInput ? "which mean and standard deviation its input has" : "")
            + ", and published files with these tensor names differ. \(backbone) uses \(used)"
            + (chosen.map { ", as for \($0)" } ?? "") + "; " + others.joined(separator: "; ")
            + ". To silence this note, write the key with the value used."
    }
}
