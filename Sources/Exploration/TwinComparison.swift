/// How a near-duplicate was changed, as far as the comparison undid it.
struct TwinChange: Sendable, Equatable {
    /// Flipped horizontally.
    var isMirrored = false
    /// Bars were added or removed.
    var hasBars = false
    /// The compared region; the remainder may contain subtitles.
    var region = SketchRegion.all

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
enum TwinComparison {
    /// Minimum share of pixels with gradients: photographed scenes have 0.5 and more, a shape on an even background has
    /// 0.1. Clips with less are compared only unchanged, and must be nearly equal.
    private static let detail: Float = 0.35
    /// Maximum mean difference of the images of clips with less detail, from 0 to 255.
    private static let distance: Float = 2

    /// The similarity and the undone change; nil if they are not near-duplicates.
    static func match(_ first: ClipSketch, _ second: ClipSketch) -> (likeness: SketchLikeness, change: TwinChange)? {
        // If both clips had bars, the bars would dominate the similarity.
        let bothHaveBars = first.trimmed != nil && second.trimmed != nil
        let hasBars = first.trimmed != nil || second.trimmed != nil
        var pairs: [(SketchFrames, SketchFrames, hasBars: Bool)] = []
        if !bothHaveBars { pairs.append((first.whole, second.whole, false)) }
        if hasBars { pairs.append((first.inner, second.inner, !bothHaveBars)) }
        for (one, two, hasBars) in pairs {
            let hasDetail = min(SketchLikeness.detail(one), SketchLikeness.detail(two)) >= detail
            for isMirrored in [false, true] {
                let other = isMirrored ? two.mirrored : two
                for region in SketchRegion.allCases {
                    let change = TwinChange(isMirrored: isMirrored, hasBars: hasBars, region: region)
                    // Unchanged clips are compared in any case.
                    let isPlain = change == TwinChange()
                    guard isPlain || hasDetail && SketchLikeness.isPossible(one, other, region) else { continue }
                    let likeness = SketchLikeness(one, other, region)
                    guard isMatch(likeness, one, other, region) else { continue }
                    if hasDetail || SketchLikeness.distance(one, other) <= distance { return (likeness, change) }
                }
            }
        }
        return nil
    }

    private static func isMatch(
        _ likeness: SketchLikeness, _ first: SketchFrames, _ second: SketchFrames, _ region: SketchRegion
    ) -> Bool {
        let least = region == .all ? (TwinSearch.pictures, TwinSearch.motion) : TwinSearch.parts
        guard likeness.pictures >= (likeness.motion == nil ? TwinSearch.stills : least.0),
            likeness.motion ?? 1 >= least.1, likeness.colour <= TwinSearch.colour
        else { return false }
        // If only the excluded region moves, it may be another action in the same scene.
        return likeness.motion != nil
            || !SketchLikeness.moves(first, region.rest) && !SketchLikeness.moves(second, region.rest)
    }
}
