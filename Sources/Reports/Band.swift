import SequenceModels

struct Band {
    let start, end: Double
    let row, place: Int

    /// Consecutive frames of equal classes as intervals.
    static func bands(_ places: [Int], row: Int) -> [Band] {
        if places.isEmpty { return [] }
        var result: [Band] = [], first = 0
        for index in 1...places.count where index == places.count || places[index] != places[first] {
            result.append(Band(start: Double(first), end: Double(index), row: row, place: places[first]))
            first = index
        }
        return result
    }

    /// A chart of intervals with colours by class, in order of appearance; after eight they repeat in lighter tones.
    static func chart(
        _ bands: [Band], labels: [String], rows: [(name: String, place: Double)], name: String, title: String,
        axis: String, end: Double
    ) -> Chart {
        var order: [Int] = []
        for band in bands where !order.contains(band.place) { order.append(band.place) }
        let lowest = (rows.map(\.place).max() ?? 0) + 0.55
        let plots = order.enumerated().map { number, place in
            let color = Ink.series[number % Ink.series.count]
            let solid = number < Ink.series.count ? 0.95 : number < 2 * Ink.series.count ? 0.5 : 0.25
            return
                "$band\(place) using 1:2:1:3:($2 - 0.42):($2 + 0.42) with boxxyerror fillstyle solid \(solid) noborder "
                + "linecolor rgb '\(color)' title \(Chart.quoted(Chart.short(labels[place])))"
        }
        let data = order.map { place in
            Chart.data(
                "band\(place)",
                bands.filter { $0.place == place }.map { [$0.start, Double($0.row), $0.end] as [Double?] })
        }
        // The legend below, in as many lines as it needs.
        let letters = order.reduce(0) { $0 + min(26, labels[$1].count) + 7 }
        let height = Int(lowest * 26) + 90 + 17 * (letters * 7 / 700 + 1)
        return Chart(
            name: name, title: title, width: 760, height: height,
            script: data.joined() + "set yrange [\(lowest):-0.55]\nset xrange [0:\(end)]\n"
                + Chart.tics("y", rows.map { ($0.name, $0.place) }) + "set border 1\nset grid noytics\n"
                + "set xlabel \(Chart.quoted(axis))\nset key below horizontal left maxrows \(letters * 7 / 700 + 2)\n"
                + "plot " + plots.joined(separator: ", "))
    }
}

extension Chart {
    /// The most probable class over time; with several labels a clip, a row for each that is predicted.
    package static func timeline(_ timeline: Timeline) -> Chart {
        if timeline.thresholds != nil { return labelTimeline(timeline) }
        let bands = timeline.segments.map { segment in
            Band(
                start: segment.start, end: segment.end, row: 0,
                place: timeline.labels.firstIndex(of: segment.label) ?? 0)
        }
        return Band.chart(
            bands, labels: timeline.labels, rows: [("predicted", 0)], name: "timeline", title: "Prediction over time",
            axis: "seconds", end: timeline.end)
    }

    private static func labelTimeline(_ timeline: Timeline) -> Chart {
        let segments = timeline.segments
        let shown = timeline.labels.indices.filter { label in segments.contains { $0.label == timeline.labels[label] } }
        let bands = segments.compactMap { segment -> Band? in
            guard let row = shown.firstIndex(where: { timeline.labels[$0] == segment.label }) else { return nil }
            return Band(start: segment.start, end: segment.end, row: row, place: shown[row])
        }
        return Band.chart(
            bands, labels: timeline.labels,
            rows: shown.enumerated().map { (Chart.short(timeline.labels[$1]), Double($0)) }, name: "timeline",
            title: "Predicted labels over time", axis: "seconds", end: timeline.end)
    }
}
