import Extraction
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

    /// What is left out has the default of a pipeline file.
    public init(
        extraction: ExtractionConfiguration, training: TrainingConfiguration, unfreezing: Unfreezing = .all,
        backboneLearningRate: Double? = nil
    ) {
        (self.extraction, self.training) = (extraction, training)
        (self.unfreezing, self.backboneLearningRate) = (unfreezing, backboneLearningRate)
    }
}
