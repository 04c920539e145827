import Backbones
import Video

/// How frames become a network's input. Defined only here: `extract`, `finetune`, `classify`, and all commands that
/// follow a stored recipe use it.
package struct Preprocessing: Sendable, Equatable {
    /// Side of the square image, in pixels.
    package let imageSize: Int
    /// Whether the pixel aspect ratio is corrected.
    package let aspect: Aspect
    package let resize: ResizeFilter
    package let input: InputConvention

    /// The largest centred square, resized. It has no additional margin, unlike the evaluation crop of some publishers.
    package var framing: Framing { Self.framing(imageSize: imageSize, resize: resize) }

    fileprivate static func framing(imageSize: Int, resize: ResizeFilter) -> Framing {
        .centerSquare(size: imageSize, filter: resize)
    }

    /// The network's input for consecutive frames.
    package func shown(_ frames: [[UInt8]]) -> [[UInt8]] {
        input.isDifference == true ? FrameDifference.of(frames) : frames
    }
}

extension Backbone {
    /// The resize filter of most published weights.
    var resize: ResizeFilter { ResizeFilter(interpolation) }
}

extension ResizeFilter {
    fileprivate init(_ interpolation: Backbone.Interpolation) {
        self = interpolation == .bicubic ? .bicubic : .antialias
    }
}

extension ExtractionRecipe {
    package var preprocessing: Preprocessing {
        Preprocessing(imageSize: imageSize, aspect: aspect ?? .stored, resize: resize, input: input)
    }
}

extension ExtractionConfiguration {
    /// How frames are cropped and resized; unlike the input normalisation, it does not depend on the weight file.
    package var framing: Framing { Preprocessing.framing(imageSize: imageSize, resize: resize) }

    /// Choices that the weights leave open, with the value used and the options for others; empty if the user or the
    /// weight file determines them. `option`: formats a key of `extract` and its value.
    package func notes(
        on weights: LoadedWeights, option: (_ key: String, _ value: String) -> String = { "extract.\($0): \($1)" },
        part partOption: ((_ name: String) -> String)? = nil
    ) -> [String] {
        guard case .file(let file, _) = self.weights else { return [] }
        let convention = WeightsConvention(backbone, weights.traits, numerics: numerics, input: input)
        var notes = weights.skipped.map { "\(file): \($0)" }
        if !weights.unused.isEmpty {
            let names = weights.unused.prefix(6).joined(separator: ", ")
            notes.append(
                "\(backbone.name) does not use these modules of \(file): "
                    + "\(names)\(weights.unused.count > 6 ? ", …" : "")")
        }
        if let part = weights.part, !weights.otherParts.isEmpty {
            func name(_ part: String) -> String { part.isEmpty ? "the one at the top level" : "`\(part)`" }
            let others = weights.otherParts.prefix(4).map(name).joined(separator: ", ")
            let example = weights.otherParts.first { !$0.isEmpty } ?? part
            notes.append(
                "\(file) holds \(weights.otherParts.count + 1) models that fit \(backbone.name): \(name(part)) is "
                    + "used, not \(others). To choose, write "
                    + "`\(partOption?(example) ?? option("weights", "{file: \(file), part: \(example)}"))`")
        }
        notes += [convention.note(file: file, isDifference: showsDifference, option: option)].compactMap(\.self)
        if let grid = weights.grid, grid * backbone.patch != imageSize {
            notes.append(
                "\(file) was trained on \(grid)×\(grid) patches, images of \(grid * backbone.patch) pixels; its "
                    + "positions are interpolated to \(imageSize / backbone.patch)×\(imageSize / backbone.patch). To "
                    + "use the training size, write `\(option("image_size", "\(grid * backbone.patch)"))`")
        }
        if wantedResize == nil, let stated = weights.traits.interpolation.map(ResizeFilter.init), stated != resize {
            notes.append(
                "the configuration beside \(file) names another resize filter: \(backbone.name) uses "
                    + "`\(option("resize", resize.rawValue))`; to use the configuration's, write "
                    + "`\(option("resize", stated.rawValue))`")
        }
        return notes
    }
}
