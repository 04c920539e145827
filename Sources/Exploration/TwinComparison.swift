/// How the copy that a near-duplicate is was changed, as far as that was undone to compare it.
struct TwinChange: Sendable, Equatable {
    /// Left and right are swapped.
    var isMirrored = false
    /// Bars were added or taken off.
    var hasBars = false
    /// What is compared; the rest may hold subtitles.
    var region = SketchRegion.all

    /// For people, such as `mirrored, bars`; empty if nothing was undone.
    var text: String {
        let parts = [
            isMirrored ? "mirrored" : nil, hasBars ? "bars" : nil,
            region == .all ? nil : region == .upper ? "bottom" : "top",
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

/// Whether two clips show the same, also if one of them was mirrored, letterboxed or subtitled.
enum TwinComparison {
    /// Least share of pixels at which brightness changes: photographed scenes have 0.5 and more, a shape on an even ground
    /// has 0.1. Clips with less are compared as they are only, and must be nearly equal.
    private static let detail: Float = 0.35
    /// Largest mean distance of the images of clips with less detail, from 0 to 255.
    private static let distance: Float = 2

    /// The likeness and what had to be undone; nil if they do not show the same.
    static func match(_ first: ClipSketch, _ second: ClipSketch) -> (likeness: SketchLikeness, change: TwinChange)? {
        // Of two clips with bars, the bars would be most of what is alike.
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
                    // As they are, clips are compared in any case.
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
        // A scene in which something moves in the rest only may be the scene of another action.
        return likeness.motion != nil
            || !SketchLikeness.moves(first, region.rest) && !SketchLikeness.moves(second, region.rest)
    }
}
