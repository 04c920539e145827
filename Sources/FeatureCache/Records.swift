import CElementwise
import Digests
import Foundation

/// One file's content.
public struct VideoRecord: Sendable, Equatable {
    /// SHA-256 of the bytes, hex.
    public let digest: String
    /// Relative to the dataset's root.
    public let path: String
    /// What probing found, where it could.
    public var details: Details?

    /// What probing found; unknown for a video that could not be opened.
    public struct Details: Sendable, Equatable {
        /// Pixels in a row, as shown.
        public let width: Int
        /// Rows, as shown.
        public let height: Int
        /// Frames that are really there.
        public let frameCount: Int
        /// Frames per second.
        public let frameRate: Double
        /// Seconds.
        public let duration: Double
        /// Such as `h264`.
        public let codec: String

        /// All parts, as they are.
        public init(width: Int, height: Int, frameCount: Int, frameRate: Double, duration: Double, codec: String) {
            self.width = width
            self.height = height
            self.frameCount = frameCount
            self.frameRate = frameRate
            self.duration = duration
            self.codec = codec
        }
    }

    /// All parts, as they are.
    public init(digest: String, path: String, details: Details? = nil) {
        self.digest = digest
        self.path = path
        self.details = details
    }
}

/// A video's place in a dataset.
public struct SampleRecord: Sendable, Equatable {
    /// Name of the dataset.
    public let dataset: String
    /// Class.
    public let label: String
    /// `train`, `validation` or `test`, as the dataset itself says.
    public let split: String
    /// Clips of one group come from one source and stay on one side of a split.
    public let group: String?

    /// All parts, as they are.
    public init(dataset: String, label: String, split: String, group: String?) {
        self.dataset = dataset
        self.label = label
        self.split = split
        self.group = group
    }
}

/// How features are stored; they are computed, and read, as `Float`.
public enum StoredType: String, Sendable, CaseIterable, Codable {
    case float32
    /// IEEE 754 binary16: half the bytes, three decimal digits.
    case float16

    /// Of one number.
    public var bytes: Int { self == .float16 ? 2 : 4 }

    /// The numbers as they are after having been stored.
    public func rounding(_ numbers: [Float]) -> [Float] {
        guard self == .float16 else { return numbers }
        return [Float](unsafeUninitializedCapacity: numbers.count) { buffer, count in
            data(numbers).withUnsafeBytes { copy($0, to: buffer) }
            count = numbers.count
        }
    }

    /// Little-endian, without framing.
    func data(_ numbers: [Float]) -> Data { numbers.withUnsafeBufferPointer(data) }

    func data(_ numbers: UnsafeBufferPointer<Float>) -> Data {
        switch self {
        case .float32: return Data(buffer: numbers)
        case .float16:
            var data = Data(count: numbers.count * 2)
            data.withUnsafeMutableBytes { elementwise_narrow(numbers.count, numbers.baseAddress, $0.baseAddress) }
            return data
        }
    }

    /// Fills `target` from as many stored numbers.
    func copy(_ stored: UnsafeRawBufferPointer, to target: UnsafeMutableBufferPointer<Float>) {
        precondition(stored.count == target.count * bytes)
        guard let source = stored.baseAddress, let first = target.baseAddress else { return }
        switch self {
        case .float32: memcpy(first, source, stored.count)
        case .float16: elementwise_widen(target.count, source, first)
        }
    }
}

/// A recipe: everything that decides a feature.
public struct ExtractionRecord: Sendable, Equatable {
    /// SHA-256 of what changes a feature, hex.
    public let digest: String
    /// The pipeline's name when the recipe was first used.
    public let name: String
    /// Name of the network.
    public let backbone: String
    /// The weight file as the pipeline names it, or `random`.
    public let weights: String
    /// SHA-256 of the weight file, hex; nil for random weights.
    public let weightsDigest: String?
    /// `pooled` or `spatial`.
    public let tap: String
    /// Side of the square picture, in pixels.
    public let imageSize: Int
    /// Rows of every sequence.
    public let maxFrames: Int
    /// Such as `[2048]`, or `[7, 7, 512]`.
    public let featureShape: [Int]
    /// What each number is stored as.
    public let elementType: StoredType
    /// Such as `f32`.
    public let precision: String
    /// The whole recipe as JSON.
    public let recipe: String
    /// Version of the program.
    public let version: String

    /// Numbers in one row.
    public var featureSize: Int { featureShape.reduce(1, *) }

    /// All parts, as they are.
    public init(
        digest: String, name: String, backbone: String, weights: String, weightsDigest: String?, tap: String,
        imageSize: Int, maxFrames: Int, featureShape: [Int], elementType: StoredType = .float32, precision: String,
        recipe: String, version: String
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
        self.elementType = elementType
        self.precision = precision
        self.recipe = recipe
        self.version = version
    }
}

/// The features of one video under one recipe.
public struct SequenceRecord: Sendable, Equatable {
    /// 0 is the plain view.
    public let view: Int
    /// Places of the sampled frames in the clip, ascending; of windows those of their middle frames.
    public let frameIndices: [Int]
    /// Seconds.
    public let frameTimes: [Double]
    /// First and last frame of each window; nil where rows are single frames.
    public let windowEnds: [ClosedRange<Int>]?
    /// Damaged stretches passed over.
    public let decodeErrors: Int
    /// `[length, feature]`, valid rows only; padding is added when stored.
    public let features: [Float]

    /// Valid rows.
    public var length: Int { frameIndices.count }

    /// All parts, as they are.
    public init(
        view: Int = 0, frameIndices: [Int], frameTimes: [Double], windowEnds: [ClosedRange<Int>]? = nil,
        decodeErrors: Int, features: [Float]
    ) {
        self.windowEnds = windowEnds
        self.view = view
        self.frameIndices = frameIndices
        self.frameTimes = frameTimes
        self.decodeErrors = decodeErrors
        self.features = features
    }

    /// Parts of one view, in order, at least one. Each counts the damage up to its end.
    public init(joining parts: [SequenceRecord]) {
        self.init(
            view: parts[0].view, frameIndices: parts.flatMap(\.frameIndices), frameTimes: parts.flatMap(\.frameTimes),
            windowEnds: parts[0].windowEnds == nil ? nil : parts.flatMap { $0.windowEnds ?? [] },
            decodeErrors: parts.map(\.decodeErrors).max() ?? 0,
            features: parts.count == 1 ? parts[0].features : parts.flatMap(\.features))
    }
}
