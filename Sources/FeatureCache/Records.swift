import CElementwise
import Files
import Foundation

package struct VideoRecord: Sendable, Equatable {
    /// SHA-256 of the bytes, hex.
    package let digest: String
    /// Relative to the data set's root.
    package let path: String
    package var details: Details?

    /// Properties from probing; unknown for a video that could not be opened.
    package struct Details: Sendable, Equatable {
        /// Pixels per row, as displayed.
        package let width: Int
        package let height: Int
        /// Number of frames that can be decoded.
        package let frameCount: Int
        package let frameRate: Double
        /// In seconds.
        package let duration: Double
        package let codec: String

        package init(width: Int, height: Int, frameCount: Int, frameRate: Double, duration: Double, codec: String) {
            (self.width, self.height, self.frameCount, self.frameRate) = (width, height, frameCount, frameRate)
            (self.duration, self.codec) = (duration, codec)
        }
    }

    package init(digest: String, path: String, details: Details? = nil) {
        (self.digest, self.path, self.details) = (digest, path, details)
    }
}

/// A video's labels, split and group in a data set.
package struct SampleRecord: Sendable, Equatable {
    package let dataset: String
    /// Its class, or the text of its `LabelSet` in data sets of the task `multilabel`.
    package let label: String
    /// `train`, `validation` or `test`, as the data set defines it.
    package let split: String
    package let group: String?
    /// The rows in `annotation`, sorted.
    package let labels: [String]
    package let source: AnnotationSource

    package init(
        dataset: String, label: String, split: String, group: String?, labels: [String]? = nil,
        source: AnnotationSource = .list
    ) {
        (self.dataset, self.label, self.split, self.group) = (dataset, label, split, group)
        (self.labels, self.source) = ((labels ?? [label]).sorted(), source)
    }
}

/// Where the label of a clip comes from.
package enum AnnotationSource: String, Sendable, CaseIterable {
    case folder, list, person, model
    /// From `sample`, by the migration of a cache of an older version.
    case sample

    /// Whether the data set's folder or lists define it, so that each extraction replaces it.
    static let ofDataset: [AnnotationSource] = [.folder, .list, .sample]
}

/// Element type of stored features; they are computed and read as `Float`.
package enum StoredType: String, Sendable, CaseIterable, Codable {
    case float32
    /// IEEE 754 binary16: half the bytes, about three decimal digits.
    case float16

    package var bytes: Int { self == .float16 ? 2 : 4 }

    /// The values after conversion to this type and back.
    package func rounding(_ numbers: [Float]) -> [Float] {
        guard self == .float16 else { return numbers }
        return data(numbers).withUnsafeBytes(values)
    }

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

    /// Stored elements as `Float`, without an incomplete last one.
    func values(_ stored: UnsafeRawBufferPointer) -> [Float] {
        let size = stored.count / bytes
        return [Float](unsafeUninitializedCapacity: size) { buffer, count in
            copy(UnsafeRawBufferPointer(rebasing: stored[..<(size * bytes)]), to: buffer)
            count = size
        }
    }

    /// Converts stored elements to `Float`.
    func copy(_ stored: UnsafeRawBufferPointer, to target: UnsafeMutableBufferPointer<Float>) {
        precondition(stored.count == target.count * bytes)
        guard let source = stored.baseAddress, let first = target.baseAddress else { return }
        switch self {
        case .float32: memcpy(first, source, stored.count)
        case .float16: elementwise_widen(target.count, source, first)
        }
    }
}

/// A recipe, which determines features completely.
package struct ExtractionRecord: Sendable, Equatable {
    /// SHA-256 of the recipe, hex.
    package let digest: String
    /// The pipeline's name when the recipe was first used.
    package let name: String
    package let backbone: String
    /// The weight file as named in the pipeline, or `random`.
    package let weights: String
    /// SHA-256 of the weight file, hex; nil for random weights.
    package let weightsDigest: String?
    /// `pooled` or `spatial`.
    package let tap: String
    package let imageSize, maxFrames: Int
    /// Such as `[2048]`, or `[7, 7, 512]`.
    package let featureShape: [Int]
    package let elementType: StoredType
    package let precision: String
    /// The complete recipe as JSON.
    package let recipe: String
    package let version: String

    package var featureSize: Int { featureShape.reduce(1, *) }

    package init(
        digest: String, name: String, backbone: String, weights: String, weightsDigest: String?, tap: String,
        imageSize: Int, maxFrames: Int, featureShape: [Int], elementType: StoredType = .float32, precision: String,
        recipe: String, version: String
    ) {
        (self.digest, self.name, self.backbone, self.weights) = (digest, name, backbone, weights)
        (self.weightsDigest, self.tap, self.imageSize, self.maxFrames) = (weightsDigest, tap, imageSize, maxFrames)
        (self.featureShape, self.elementType, self.precision) = (featureShape, elementType, precision)
        (self.recipe, self.version) = (recipe, version)
    }
}

/// A recipe of the cache, with its row ID.
package struct StoredExtraction: Sendable {
    package let id: Int64
    package let record: ExtractionRecord

    package init(id: Int64, record: ExtractionRecord) { (self.id, self.record) = (id, record) }
}

/// The features of one video under one recipe.
package struct SequenceRecord: Sendable, Equatable {
    package let view: Int
    /// Indices of the sampled frames in the clip, ascending; for windows those of their middle frames.
    package let frameIndices: [Int]
    /// In seconds.
    package let frameTimes: [Double]
    /// First and last frame of each window; nil if rows are single frames.
    package let windowEnds: [ClosedRange<Int>]?
    package let decodeErrors: Int
    /// `[length, feature]`, valid rows only; padding is added when stored.
    package let features: [Float]

    package var length: Int { frameIndices.count }

    package init(
        view: Int = 0, frameIndices: [Int], frameTimes: [Double], windowEnds: [ClosedRange<Int>]? = nil,
        decodeErrors: Int, features: [Float]
    ) {
        (self.windowEnds, self.view, self.frameIndices) = (windowEnds, view, frameIndices)
        (self.frameTimes, self.decodeErrors, self.features) = (frameTimes, decodeErrors, features)
    }

    /// Concatenates at least one part of a view, in order. Each part counts the decode errors up to its end.
    package init(joining parts: [SequenceRecord]) {
        self.init(
            view: parts[0].view, frameIndices: parts.flatMap(\.frameIndices), frameTimes: parts.flatMap(\.frameTimes),
            windowEnds: parts[0].windowEnds == nil ? nil : parts.flatMap { $0.windowEnds ?? [] },
            decodeErrors: parts.map(\.decodeErrors).max() ?? 0,
            features: parts.count == 1 ? parts[0].features : parts.flatMap(\.features))
    }
}

/// Valid sizes in a cache. Sizes in a damaged file are arbitrary and must be checked before allocation or
/// multiplication.
enum StoredSize {
    /// Whether a recipe may have `frames` rows of `numbers` elements.
    static func isPossible(frames: Int, numbers: Int) -> Bool {
        (1...1 << 24).contains(frames) && (1...1 << 32).contains(numbers) && frames * numbers <= 1 << 36
    }

    /// Number of elements of a shape; nil if a size is negative or the product is too large.
    static func product(_ shape: [Int]) -> Int? { shape.checkedProduct(atMost: 1 << 32) }

    /// Whether a blob of `bytes` bytes contains that many rows and elements.
    static func fits(_ rows: Int, of numbers: Int, as type: StoredType, in bytes: Int) -> Bool {
        rows >= 0 && isPossible(frames: 1, numbers: numbers) && rows <= bytes / (numbers * type.bytes)
    }
}

/// A video's features under a recipe, ready to be stored.
package struct NewSequence: Sendable {
    package let sequence: SequenceRecord
    let video: VideoRecord
    let extraction: Int64
    private let maxFrames, featureSize: Int
    private let type: StoredType

    /// - Precondition: there are at most `maxFrames` frames, of `featureSize` elements each.
    package init(
        _ sequence: SequenceRecord, video: VideoRecord, extraction: Int64, maxFrames: Int, featureSize: Int,
        as type: StoredType
    ) {
        precondition(sequence.length <= maxFrames && sequence.features.count == sequence.length * featureSize)
        (self.sequence, self.video, self.extraction) = (sequence, video, extraction)
        (self.maxFrames, self.featureSize, self.type) = (maxFrames, featureSize, type)
    }

    /// The features `[maxFrames, featureSize]`, zero-padded after the last frame.
    var blob: Data {
        type.data(sequence.features) + Data(count: (maxFrames - sequence.length) * featureSize * type.bytes)
    }

    /// One character for each of `maxFrames`: 1 for a frame, 0 for padding.
    var mask: String {
        String(repeating: "1", count: sequence.length) + String(repeating: "0", count: maxFrames - sequence.length)
    }

    /// First and last frame of each window as JSON, if the features are of windows.
    var windowEnds: String? {
        sequence.windowEnds.map { pairs in
            "[" + pairs.map { CacheFile.json([$0.lowerBound, $0.upperBound]) }.joined(separator: ",") + "]"
        }
    }
}
