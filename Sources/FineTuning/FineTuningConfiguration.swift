import Backbones
import Extraction
import NeuralNetwork
import SequenceModels

/// The `finetune` part of a pipeline: what of the network is trained, together with which head, on which frames.
public struct FineTuningConfiguration: Sendable {
    /// What of the network is trained.
    public enum Unfreezing: Sendable, Equatable {
        case all
        /// The last so many convolutions, linear layers and poolings, and the normalisations among them.
        case last(Int)
        /// Layers whose names are these or begin with one of these and a dot.
        case named([String])
    }

    /// The network, its initial weights, and the frames it sees.
    public var extraction: ExtractionConfiguration
    /// The head and how both are trained; its learning rate is the head's.
    public var training: TrainingConfiguration
    /// What of the network is trained.
    public var unfreezing: Unfreezing
    /// The network's own learning rate; nil takes the head's.
    public var backboneLearningRate: Double?
    /// Frames picked at random from each video, in place of the extraction's sampling.
    public var framesPerVideo: Int?
    /// Training frames of a class at most.
    public var framesPerClass: Int?
    /// Changes of training pictures.
    public var augmentation = Augmentation()

    /// What is likely to be a mistake.
    public var warnings: [String] {
        let pictures = training.model.kind == .frame ? 1 : framesPerVideo ?? extraction.sampling.frames
        let graph = extraction.backbone.graph(
            imageSize: extraction.imageSize, frames: extraction.sampling.windowed?.length)
        let normalizes = graph.nodes.contains { if case .batchNormalization = $0.operation { true } else { false } }
        guard training.batchSize == 1, normalizes else { return [] }
        return [
            "a batch is \(pictures == 1 ? "one picture" : "the \(pictures) frames of one video"): the normalisations that are "
                + "trained see no other, and learn little. Raise `finetune.batch_size`"
        ]
    }

    /// What the weight file leaves open about the network, and what is used for it.
    ///
    /// - Throws: `WeightsError` if the file cannot be read.
    public func weightsNotes() throws -> [String] {
        try extraction.notes(on: LoadedWeights(extraction.weights, for: extraction.backbone))
    }

    /// What is left out has the default of a pipeline file.
    public init(
        extraction: ExtractionConfiguration, training: TrainingConfiguration, unfreezing: Unfreezing = .all,
        backboneLearningRate: Double? = nil
    ) {
        (self.extraction, self.training) = (extraction, training)
        (self.unfreezing, self.backboneLearningRate) = (unfreezing, backboneLearningRate)
    }
}
