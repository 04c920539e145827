import Foundation

/// A video's features under a recipe, as they are to be stored.
public struct NewSequence: Sendable {
    /// Its frames and what the network saw in them.
    public let sequence: SequenceRecord
    let video: VideoRecord
    let extraction: Int64
    private let maxFrames: Int
    private let featureSize: Int
    private let type: StoredType

    /// - Precondition: there are at most `maxFrames` frames, of `featureSize` numbers each.
    public init(
        _ sequence: SequenceRecord, video: VideoRecord, extraction: Int64, maxFrames: Int, featureSize: Int,
        as type: StoredType
    ) {
        precondition(sequence.length <= maxFrames && sequence.features.count == sequence.length * featureSize)
        (self.sequence, self.video, self.extraction) = (sequence, video, extraction)
        (self.maxFrames, self.featureSize, self.type) = (maxFrames, featureSize, type)
    }

    /// The features `[maxFrames, featureSize]`, zeros behind the last frame.
    var blob: Data {
        type.data(sequence.features) + Data(count: (maxFrames - sequence.length) * featureSize * type.bytes)
    }

    /// A character for each of `maxFrames`: 1 where there is a frame.
    var mask: String {
        String(repeating: "1", count: sequence.length) + String(repeating: "0", count: maxFrames - sequence.length)
    }

    /// First and last frame of each window, where features are of windows.
    var windowEnds: String? {
        sequence.windowEnds.map { pairs in
            "[" + pairs.map { CacheFile.json([$0.lowerBound, $0.upperBound]) }.joined(separator: ",") + "]"
        }
    }
}
