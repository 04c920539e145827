/// How a near-duplicate was changed, as far as the comparison undid it.
struct NearDuplicateChange: Sendable, Equatable {
    /// Flipped horizontally.
    var isMirrored = false
    /// Bars were added or removed.
    var hasBars = false
    /// The compared region; the remainder may contain subtitles.
    var region = FingerprintRegion.all

    /// For display, such as `mirrored, bars`; empty if nothing was undone.
    var text: String {
        let parts = [
            isMirrored ? "mirrored" : nil, hasBars ? "bars" : nil,
            region == .all ? nil : region == .upper ? "bottom" : "top",
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

/// Compares two clips, also after undoing mirroring, letterboxing and subtitles.
enum NearDuplicateComparison {
    /// Minimum share of pixels with gradients: photographed scenes have 0.5 and more, a shape on an even background has
    /// 0.1. Clips with less are compared only unchanged, and must be nearly equal.
    private static let detail: Float = 0.35
    /// Maximum mean difference of the images of clips with less detail, from 0 to 255.
    private static let distance: Float = 2

    /// The similarity and the undone change; nil if they are not near-duplicates.
    static func match(_ first: ClipFingerprint, _ second: ClipFingerprint) -> (
        similarity: FingerprintSimilarity, change: NearDuplicateChange
    )? {
        // If both clips had bars, the bars would dominate the similarity.
        let bothHaveBars = first.trimmed != nil && second.trimmed != nil
        let hasBars = first.trimmed != nil || second.trimmed != nil
        var pairs: [(FingerprintFrames, FingerprintFrames, hasBars: Bool)] = []
        if !bothHaveBars { pairs.append((first.whole, second.whole, false)) }
        if hasBars { pairs.append((first.inner, second.inner, !bothHaveBars)) }
        for (one, two, hasBars) in pairs {
            let hasDetail = min(FingerprintSimilarity.detail(one), FingerprintSimilarity.detail(two)) >= detail
            for isMirrored in [false, true] {
                let other = isMirrored ? two.mirrored : two
                for region in FingerprintRegion.allCases {
                    let change = NearDuplicateChange(isMirrored: isMirrored, hasBars: hasBars, region: region)
                    // Unchanged clips are compared in any case.
                    let isPlain = change == NearDuplicateChange()
                    guard isPlain || hasDetail && FingerprintSimilarity.isPossible(one, other, region) else { continue }
                    let similarity = FingerprintSimilarity(one, other, region)
                    guard isMatch(similarity, one, other, region) else { continue }
                    if hasDetail || FingerprintSimilarity.distance(one, other) <= distance {
                        return (similarity, change)
                    }
                }
            }
        }
        return nil
    }

    private static func isMatch(
        _ similarity: FingerprintSimilarity, _ first: FingerprintFrames, _ second: FingerprintFrames,
        _ region: FingerprintRegion
    ) -> Bool {
        let least =
            region == .all ? (NearDuplicateSearch.images, NearDuplicateSearch.motion) : NearDuplicateSearch.parts
        guard similarity.images >= (similarity.motion == nil ? NearDuplicateSearch.stills : least.0),
            similarity.motion ?? 1 >= least.1, similarity.colour <= NearDuplicateSearch.colour
        else { return false }
        // If only the excluded region moves, it may be another action in the same scene.
        return similarity.motion != nil
            || !FingerprintSimilarity.moves(first, region.rest) && !FingerprintSimilarity.moves(second, region.rest)
    }
}
