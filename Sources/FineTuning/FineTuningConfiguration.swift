import Backbones
import Extraction
import NeuralNetwork
import SequenceModels

/// The `finetune` section of a pipeline: which layers of the backbone are trained, with which head, on which frames.
package struct FineTuningConfiguration: Sendable {
    /// Which layers of the backbone are trained.
    package enum Unfreezing: Sendable, Equatable {
        case all
        /// The last convolutions, linear layers and poolings, and the normalisations between them.
        case last(Int)
        /// Layers with one of these names, or whose names begin with one of them and a dot.
        case named([String])
    }

    /// The backbone, its initial weights, and the sampled frames.
    package var extraction: ExtractionConfiguration
    /// The head and the training options; its learning rate is the head's.
    package var training: TrainingConfiguration
    /// Which layers of the backbone are trained.
    package var unfreezing: Unfreezing
    /// The backbone's own learning rate; nil uses the head's.
    package var backboneLearningRate: Double?
    /// Number of random frames from each video, in place of the extraction's sampling.
    package var framesPerVideo: Int?
    /// Maximum training frames per class.
    package var framesPerClass: Int?
    package var augmentation = Augmentation()

    package var warnings: [String] {
        let images = training.model.kind == .frame ? 1 : framesPerVideo ?? extraction.sampling.frames
        let graph = extraction.backbone.graph(
            imageSize: extraction.imageSize, frames: extraction.sampling.windowed?.length)
        let normalizes = graph.nodes.contains { if case .batchNormalization = $0.operation { true } else { false } }
        guard training.batchSize == 1, normalizes else { return [] }
        return [
            "a batch is \(images == 1 ? "one image" : "the \(images) frames of one video"), so the statistics of "
                + "trained batch normalisations are unreliable. Raise `finetune.batch_size`"
        ]
    }

    /// Properties that the weight file leaves open, with the values used. Throws `WeightsError` if the file cannot be
    /// read.
    package func weightsNotes() throws -> [String] {
        try extraction.notes(on: LoadedWeights(extraction.weights, for: extraction.backbone))
    }

    package init(
        extraction: ExtractionConfiguration, training: TrainingConfiguration, unfreezing: Unfreezing = .all,
        backboneLearningRate: Double? = nil
    ) {
        (self.extraction, self.training) = (extraction, training)
        (self.unfreezing, self.backboneLearningRate) = (unfreezing, backboneLearningRate)
    }
}
