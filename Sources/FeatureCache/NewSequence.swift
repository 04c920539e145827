import Foundation

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
