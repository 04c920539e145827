import FeatureCache
import Foundation
import SequenceModels

extension Timeline {
    /// Start, end, class and probability of each segment.
    package var segmentTable: String {
        var table = TextTable([("start", .right), ("end", .right), ("class", .left), ("probability", .right)])
        for segment in segments {
            table.append([
                Self.clock(segment.start), Self.clock(segment.end), segment.label, percent(segment.probability),
            ])
        }
        return table.text
    }

    /// `1:02.35`, or `1:01:02.35`.
    static func clock(_ seconds: Double) -> String {
        guard let hundredths = Int(exactly: (seconds * 100).rounded()) else { return decimal(seconds, 2) }
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let tail = "\(padded(whole % 60)).\(padded(rest))"
        return whole < 3600 ? "\(whole / 60):\(tail)" : "\(whole / 3600):\(padded(whole / 60 % 60)):\(tail)"
    }

    /// One line per frame: video, time in seconds, most probable class, its probability, then the probability of every
    /// class. `includesHeader`: whether the first line is a header.
    package func csv(video: String, includesHeader: Bool) -> String {
        let header = CSV.line(["video", "time", "label", "probability"] + labels)
        let predicted = predicted
        let lines = times.indices.map { frame in
            let own = probabilities[frame]
            return CSV.line(
                [video, decimal(times[frame], 3), labels[predicted[frame]]]
                    + ([own[predicted[frame]]] + own).map { decimal($0, 5) })
        }
        return (includesHeader ? header : "") + lines.joined()
    }

    /// Draws the classes over time to an SVG or PNG file, by its extension. Throws `GnuplotError`, `ReportError`.
    package func write(strip path: String) throws {
        let format: Gnuplot.Format = path.lowercased().hasSuffix(".svg") ? .svg : .png
        let data = try Gnuplot().draw([.timeline(self)], as: format)[0]
        try ReportError.writing(path) { try data.write(to: URL(fileURLWithPath: path), options: .atomic) }
    }
}
