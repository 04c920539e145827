import Foundation

/// Clips with non-square pixels that are sampled as stored, which `extract` reports.
struct AnamorphicClips {
    private var count = 0
    private var first: (path: String, pixelAspect: Double)?

    mutating func add(_ path: String, _ pixelAspect: Double) {
        guard pixelAspect != 1 else { return }
        count += 1
        first = first ?? (path, pixelAspect)
    }

    /// Nil if there are no such clips.
    var note: String? {
        guard let first else { return nil }
        let ratio = ((first.pixelAspect * 1000).rounded() / 1000).formatted()
        let subject =
            count == 1
            ? "1 clip has non-square pixels, \(first.path), whose pixels are \(ratio) times as wide as high; it was "
                + "sampled"
            : "\(count) clips have non-square pixels, such as \(first.path), whose pixels are \(ratio) times as wide "
                + "as high; they were sampled"
        return "\(subject) as stored. Write `extract.aspect: display` to sample frames with the display aspect ratio."
    }
}
