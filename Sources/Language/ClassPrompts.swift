import Escaping
import FeatureCache
import Foundation
import SequenceModels

/// Converts class names to sentences for a text tower.
package struct ClassPrompts: Sendable {
    /// The default template of OpenAI's CLIP.
    package static let template = "a photo of {}."

    /// Prompts of classes; the default is the class name.
    var prompts: [String: [String]] = [:]
    /// Sentences whose `{}` is replaced with a name or prompt.
    var templates: [String]?

    package func sentences(_ label: String) -> [String] {
        guard let own = prompts[label] else {
            return (templates ?? [Self.template]).map { $0.replacingBytes("{}", with: Self.words(label)) }
        }
        guard let templates else { return own }
        return own.flatMap { prompt in templates.map { $0.replacingBytes("{}", with: prompt) } }
    }

    /// A label as words: `ApplyEyeMakeup` and `apply_eye_makeup` give the same.
    static func words(_ label: String) -> String {
        let letters = Array(label)
        var text = ""
        for (index, letter) in letters.enumerated() {
            let before = index > 0 ? letters[index - 1] : " "
            let after = index + 1 < letters.count ? letters[index + 1] : " "
            if letter.isUppercase, before.isLowercase || (before.isUppercase && after.isLowercase) { text += " " }
            text.append(letter == "_" || letter == "-" ? " " : letter)
        }
        let words = text.split(separator: " ").map(String.init)
        // Capitals that only separated words are lowered.
        return words.count > 1 && !label.contains(" ") ? words.joined(separator: " ").lowercased() : text
    }

    /// A unit vector for each class: the mean of its sentences' vectors, normalised. `record`: the recipe of the
    /// features. `model`: a head that starts from class names. Throws `TextError`, `TextWeightsError`,
    /// `TokenizerError`, `WeightsError`; `SequenceError.unknownClass` for prompts of an unknown class.
    package static func texts(
        _ labels: [String], for model: HeadConfiguration, _ record: ExtractionRecord
    ) throws -> ClassTexts {
        if let unknown = (model.prompts ?? [:]).keys.sorted().first(where: { !labels.contains($0) }) {
            throw SequenceError.unknownClass(unknown, available: labels)
        }
        let prompts = ClassPrompts(prompts: model.prompts ?? [:], templates: model.templates)
        let text = try TextModel(record, weights: model.text, vocabulary: model.vocabulary)
        let sentences = labels.map(prompts.sentences)
        var vectors = try text.encoder.encode(sentences.flatMap { $0 })[...]
        var classes: [String: [Float]] = [:]
        for (label, own) in zip(labels, sentences) {
            classes[label] = SearchQuery(wanted: Array(vectors.prefix(own.count))).wanted
            vectors = vectors.dropFirst(own.count)
        }
        return ClassTexts(vectors: classes, scale: text.calibration.scale, bias: text.calibration.bias)
    }
}
