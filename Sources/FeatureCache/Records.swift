import Crypto
import Foundation

/// One file's content.
public struct VideoRecord: Sendable, Equatable {
    /// SHA-256 of the bytes, hex.
    public let digest: String
    /// Relative to the dataset's root.
    public let path: String
    public var details: Details?

    /// What probing found; unknown for a video that could not be opened.
    public struct Details: Sendable, Equatable {
        public let width: Int
        public let height: Int
        public let frameCount: Int
        /// Frames per second.
        public let frameRate: Double
        /// Seconds.
        public let duration: Double
        public let codec: String

        public init(width: Int, height: Int, frameCount: Int, frameRate: Double, duration: Double, codec: String) {
            self.width = width
            self.height = height
            self.frameCount = frameCount
            self.frameRate = frameRate
            self.duration = duration
            self.codec = codec
        }
    }

    public init(digest: String, path: String, details: Details? = nil) {
        self.digest = digest
        self.path = path
        self.details = details
    }
}

/// A video's place in a dataset.
public struct SampleRecord: Sendable, Equatable {
    public let dataset: String
    public let label: String
    /// `train`, `validation` or `test`, as the dataset itself says.
    public let split: String
    /// Clips of one group come from one source and stay on one side of a split.
    public let group: String?

    public init(dataset: String, label: String, split: String, group: String?) {
        self.dataset = dataset
        self.label = label
        self.split = split
        self.group = group
    }
}

/// A recipe: everything that decides a feature.
public struct ExtractionRecord: Sendable, Equatable {
    /// SHA-256 of what changes a feature, hex.
    public let digest: String
    /// The pipeline's name when the recipe was first used.
    public let name: String
    public let backbone: String
    /// The weight file as the pipeline names it, or `random`.
    public let weights: String
    /// SHA-256 of the weight file, hex; nil for random weights.
    public let weightsDigest: String?
    public let tap: String
    public let imageSize: Int
    /// Rows of every sequence.
    public let maxFrames: Int
    /// Such as `[2048]`, or `[7, 7, 512]`.
    public let featureShape: [Int]
    public let precision: String
    /// The whole recipe as JSON.
    public let recipe: String
    /// Version of the program.
    public let version: String

    /// Numbers in one row.
    public var featureSize: Int { featureShape.reduce(1, *) }

    public init(
        digest: String, name: String, backbone: String, weights: String, weightsDigest: String?, tap: String,
        imageSize: Int, maxFrames: Int, featureShape: [Int], precision: String, recipe: String, version: String
    ) {
        self.digest = digest
        self.name = name
        self.backbone = backbone
        self.weights = weights
        self.weightsDigest = weightsDigest
        self.tap = tap
        self.imageSize = imageSize
        self.maxFrames = maxFrames
        self.featureShape = featureShape
        self.precision = precision
        self.recipe = recipe
        self.version = version
    }
}

/// The features of one video under one recipe.
public struct SequenceRecord: Sendable, Equatable {
    public let view: Int
    public let frameIndices: [Int]
    /// Seconds.
    public let frameTimes: [Double]
    public let decodeErrors: Int
    /// `[length, feature]`, valid rows only; padding is added when stored.
    public let features: [Float]

    /// Valid rows.
    public var length: Int { frameIndices.count }

    public init(view: Int = 0, frameIndices: [Int], frameTimes: [Double], decodeErrors: Int, features: [Float]) {
        self.view = view
        self.frameIndices = frameIndices
        self.frameTimes = frameTimes
        self.decodeErrors = decodeErrors
        self.features = features
    }
}

/// SHA-256 as lower-case hexadecimal.
public func hexDigest(_ bytes: some DataProtocol) -> String { hexText(SHA256.hash(data: bytes)) }

func hexText(_ digest: SHA256Digest) -> String {
    digest.reduce(into: "") { text, byte in
        if byte < 16 { text += "0" }
        text += String(byte, radix: 16)
    }
}
