import Backbones
import Datasets
import Extraction
import FineTuning
import SequenceModels
import Training
import Video

/// The `finetune` section of a pipeline file: the keys of `sequence`, and those of the backbone.
extension FineTuningConfiguration {
    private static let ownKeys = [
        "unfreeze", "backbone_learning_rate", "frames_per_video", "frames_per_class", "augmentation",
    ]
    private static let sharedKeys = [
        "model", "loss", "label_smoothing", "class_weights", "optimizer", "schedule", "clip_norm", "batch_size",
        "epochs", "early_stopping", "checkpoint", "seed", "pos_weight", "gamma", "positive",
    ]

    /// Nil if the file has no such section.
    init?(_ reader: PipelineReader, _ extractions: [ExtractionConfiguration], _ dataset: DatasetConfiguration) throws {
        guard let section = try reader.section("finetune", keys: Self.ownKeys + Self.sharedKeys) else { return nil }
        guard extractions.count == 1 else {
            throw reader.invalid("finetune", "trains one backbone, but `extract.backbone` lists \(extractions.count)")
        }
        guard extractions[0].backbone.name != Backbone.importedName else {
            throw reader.invalid("finetune", "cannot train an ONNX file; name one of the backbones")
        }
        let training = try TrainingConfiguration(
            section: section, validation: dataset.validation, views: 1, task: dataset.task)
        if training.model.kind.readsTexts {
            throw section.invalid(
                "model",
                "cannot be `\(training.model.kind.rawValue)`: train one on cached features with `zoetrope sequence`")
        }
        let map = extractions[0].backbone.mapTap
        if training.model.kind.readsMaps != (extractions[0].tap == map) {
            throw section.invalid(
                "model",
                "`\(training.model.kind.rawValue)` needs `extract.tap: "
                    + "\(training.model.kind.readsMaps ? map : "pooled")`")
        }
        self.init(
            extraction: extractions[0], training: training, unfreezing: try Unfreezing(section),
            backboneLearningRate: try section.number("backbone_learning_rate", in: Optimizer.rateRange))
        if extractions[0].sampling.windowed != nil {
            try section.forbid(["frames_per_video"], "does not apply to video encoders")
        }
        framesPerVideo = try section.integer("frames_per_video", in: Sampling.Ranges.frames)
        framesPerClass = try section.integer("frames_per_class", in: 1...Int.max)
        augmentation = try Augmentation(section)
    }
}

extension FineTuningConfiguration.Unfreezing {
    /// `all`, a number of layers, or names.
    fileprivate init(_ section: PipelineReader) throws {
        if let count = try? section.integer("unfreeze", in: 1...10_000) {
            self = .last(count)
        } else if let names = try? section.strings("unfreeze") {
            if names.isEmpty { throw section.invalid("unfreeze", "must not be empty") }
            self = .named(names)
        } else {
            if let word = try section.string("unfreeze"), word != "all" {
                throw section.invalid(
                    "unfreeze", "must be `all`, a number of layers, or a list of their names, not `\(word)`")
            }
            self = .all
        }
    }
}

extension Augmentation {
    fileprivate init(_ section: PipelineReader) throws {
        self.init()
        let keys = ["flip", "rotation", "zoom", "contrast", "brightness", "crop", "per"]
        guard let reader = try section.section("augmentation", keys: keys) else { return }
        let flips = try reader.choices("flip", ["horizontal", "vertical"]) ?? []
        (flipsHorizontally, flipsVertically) = (flips.contains("horizontal"), flips.contains("vertical"))
        func share(_ key: String) throws -> Double { try reader.number(key, in: .share) ?? 0 }
        rotation = try share("rotation")
        zoom = try share("zoom")
        contrast = try share("contrast")
        brightness = try share("brightness")
        crop = try reader.number("crop", in: .positive(atMost: 1)) ?? 1
        isSharedByClip = try reader.choice("per", ["clip", "frame"]) != "frame"
    }
}
