import Foundation
import SequenceModels

/// Joined clips as tables and charts.
extension ContinuousEvaluation {
    /// By how many of a window's frames come from its first action.
    var table: TextTable {
        var table = TextTable([("frames", .right), ("windows", .right), ("right", .right)])
        for share in byFirstAction {
            table.append(["\(share.frames)", grouped(share.windows), percent(share.accuracy)])
        }
        return table
    }

    /// For the terminal.
    public var text: String {
        """
        Clips of different classes joined, a window of \(window) frames slid over them:
          \(percent(accuracy)) of \(grouped(windows)) windows are named after the action of most of their frames

        By how many of the window's frames come from its first action:
        \(table.text)
        """
    }

    private struct Document: Encodable {
        let role: String
        let evaluation: ContinuousEvaluation

        enum CodingKeys: String, CodingKey {
            case split
        }

        func encode(to encoder: any Encoder) throws {
            try evaluation.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(role, forKey: .split)
        }
    }

    /// As a JSON object.
    ///
    /// - `role`: of the clips that were joined.
    public func json(role: String) throws -> String {
        try JSONText.of(Document(role: role, evaluation: self))
    }
}

extension Chart {
    /// Accuracy by the frames of the first action, and what was said of the first sequences.
    static func continuous(_ evaluation: ContinuousEvaluation) -> [Chart] {
        let rows = evaluation.byFirstAction.map { [Double($0.frames), 100 * $0.accuracy] as [Double?] }
        let curve = Chart(
            name: "first-action", title: "Accuracy by the window's frames of its first action",
            script: data("shares", rows)
                + "set xlabel 'frames of the first action'\nset ylabel 'windows named rightly, %'\nset yrange [0:100]\n"
                + "set xrange [0:\(evaluation.window + 1)]\nplot $shares using 1:2 with linespoints pointtype 7 "
                + "pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'")
        return [curve, strips(evaluation)]
    }

    /// Two bands for each sequence, truth above prediction.
    private static func strips(_ evaluation: ContinuousEvaluation) -> Chart {
        var bands: [Band] = []
        var names: [String] = []
        for (index, strip) in evaluation.strips.enumerated() {
            for (name, places) in [("true", strip.truth), ("predicted", strip.predicted)] {
                bands += Band.bands(places, row: names.count + index)
                names.append(name)
            }
        }
        let rows = names.indices.map { Double($0 + $0 / 2) }
        return Band.chart(
            bands, labels: evaluation.labels, rows: zip(names, rows).map { ($0, $1) }, name: "joined-clips",
            title: "Truth and prediction, frame by frame", axis: "frame",
            end: Double(evaluation.strips.map(\.truth.count).max() ?? 1))
    }
}
