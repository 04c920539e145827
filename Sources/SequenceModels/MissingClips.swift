import Datasets

/// Numbers of clips of one split of a pipeline, and why some have no features.
package struct MissingClips: Codable, Sendable, Equatable {
    /// As used by the pipeline.
    package let split: String
    package var listed = 0
    package var withoutFile = 0
    /// Clips that could not be extracted.
    package var failed = 0
    package var notExtracted = 0

    package init(split: Split) { self.split = split.rawValue }

    package var count: Int { withoutFile + failed + notExtracted }

    enum CodingKeys: String, CodingKey {
        case split, listed, failed
        case withoutFile = "without_file"
        case notExtracted = "not_extracted"
    }
}

extension [MissingClips] {
    package var total: MissingClips {
        reduce(into: MissingClips(split: .train)) { sum, part in
            sum.listed += part.listed
            sum.withoutFile += part.withoutFile
            sum.failed += part.failed
            sum.notExtracted += part.notExtracted
        }
    }

    /// Such as "12 of 120 clips have no features (4 without a file, 8 not extracted yet): train 10 of 96, test 2".
    package var text: String {
        let all = total
        let reasons = [
            (all.withoutFile, "without a file"), (all.failed, "failed"), (all.notExtracted, "not extracted yet"),
        ].filter { $0.0 > 0 }.map { "\($0) \($1)" }.joined(separator: ", ")
        let splits = filter { $0.count > 0 }.map { "\($0.split) \($0.count) of \($0.listed)" }.joined(separator: ", ")
        return "\(all.count) of \(all.listed) clips have no features (\(reasons)): \(splits)"
    }
}
