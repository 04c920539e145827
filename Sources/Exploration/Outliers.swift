import FeatureCache

/// An outlier clip with the reason.
package struct Outlier: Sendable, Equatable {
    package let index: Int
    package let reason: String
    /// The degree; comparable only for the same reason.
    package let score: Double
}

/// Finds clips that are outliers, have one frame, are frozen, or are blank.
package enum Outliers {
    /// Maximum share of clips that are reported as outliers.
    private static let largestShare = 0.02

    /// `nearest`: at least five neighbours of each clip. `brightness`: mean of each decoded clip's frames, 0 to 255.
    /// `rowsAreFrames`: false for windows, of which a short clip has one. Throws `CacheError`, if rows are streamed.
    package static func find(
        _ features: FeatureSet, nearest: [[Neighbor]], brightness: [Int: Float], rowsAreFrames: Bool = true
    ) throws -> [Outlier] {
        var outliers: [Outlier] = []
        for (index, example) in features.examples.enumerated() where example.length == 1 && rowsAreFrames {
            outliers.append(Outlier(index: index, reason: "one frame", score: 1))
        }
        for index in brightness.keys.sorted() {
            guard let value = brightness[index], value < 12 else { continue }
            outliers.append(Outlier(index: index, reason: "black", score: Double(1 - value / 12)))
        }
        outliers += try frozen(features)
        // Distance of the fifth neighbour, relative to the usual distance.
        let distances = nearest.map { 1 - Double(($0.dropFirst(4).first ?? $0.last)?.cosine ?? 1) }
        let sorted = distances.sorted()
        guard sorted.count >= 20 else { return outliers }
        let (middle, upper) = (sorted[sorted.count / 2], sorted[sorted.count * 3 / 4])
        let limit = max(
            middle + 3 * max(upper - middle, 1e-6), sorted[Int(Double(sorted.count - 1) * (1 - largestShare))])
        let far = distances.indices.filter { distances[$0] > limit }.sorted { distances[$0] > distances[$1] }
        outliers += far.map { Outlier(index: $0, reason: "far from all others", score: distances[$0]) }
        return outliers
    }

    /// Clips whose frames' features differ by less than a hundredth of the differences between clips.
    private static func frozen(_ features: FeatureSet) throws -> [Outlier] {
        let size = features.featureSize
        var within: [Double] = [], means: [[Float]] = []
        try features.forEachSequence(features.examples.map { $0.views[0] }) { _, rows in
            let (count, mean) = (rows.count / size, meanRow(rows, size: size))
            var sum = 0.0
            for (place, value) in rows.enumerated() {
                let difference = Double(value - mean[place % size])
                sum += difference * difference
            }
            within.append(count > 1 ? sum / Double(count) : .infinity)
            means.append(mean)
        }
        guard means.count > 1 else { return [] }
        let centre = meanRow(Array(means.joined()), size: size)
        // The median is robust against a single distant clip.
        let distances = means.map { mean in zip(mean, centre).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        }
        let between = distances.sorted()[distances.count / 2]
        return within.indices.filter { within[$0] < 1e-4 * between }
            .map { Outlier(index: $0, reason: "no motion", score: 1 - within[$0] / max(between, 1e-30)) }
    }
}
