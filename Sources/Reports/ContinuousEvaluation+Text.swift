import Foundation
import SequenceModels

extension ContinuousEvaluation {
    /// By the number of frames that belong to a window's first action.
    var table: TextTable {
        var table = TextTable([("frames", .right), ("windows", .right), ("right", .right)])
        for share in byFirstAction {
            table.append(["\(share.frames)", grouped(share.windows), percent(share.accuracy)])
        }
        return table
    }

    package var text: String {
        """
        Sliding windows of \(window) frames over concatenated clips of different classes:
          \(percent(accuracy)) of \(counted(windows, "window")) are classified as the action of most of their frames

        By the number of frames of the window's first action:
        \(table.text)
        """
    }

    private struct Document: Encodable {
        let role: String
        let evaluation: ContinuousEvaluation

        enum CodingKeys: String, CodingKey { case split }

        func encode(to encoder: any Encoder) throws {
            try evaluation.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(role, forKey: .split)
        }
    }

    /// As a JSON object. `role`: of the concatenated clips.
    package func json(role: String) throws -> String { try JSONText.of(Document(role: role, evaluation: self)) }
}

extension Chart {
    /// Accuracy by frames of the first action, and predictions of the first sequences.
    static func continuous(_ evaluation: ContinuousEvaluation) -> [Chart] {
        let rows = evaluation.byFirstAction.map { [Double($0.frames), 100 * $0.accuracy] as [Double?] }
        let curve = Chart(
            name: "first-action", title: "Accuracy by the number of frames of the window's first action",
            script: data("shares", rows)
                + "set xlabel 'frames of the first action'\nset ylabel 'window accuracy, %'\nset yrange [0:100]\n"
                + "set xrange [0:\(evaluation.window + 1)]\nplot $shares using 1:2 with linespoints pointtype 7 "
                + "pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'")
        return [curve, strips(evaluation)]
    }

    /// Two rows for each sequence, ground truth above prediction.
    private static func strips(_ evaluation: ContinuousEvaluation) -> Chart {
        var bands: [Band] = [], names: [String] = []
        for (index, strip) in evaluation.strips.enumerated() {
            for (name, places) in [("true", strip.truth), ("predicted", strip.predicted)] {
                bands += Band.bands(places, row: names.count + index)
                names.append(name)
            }
        }
        let rows = names.indices.map { Double($0 + $0 / 2) }
        return Band.chart(
            bands, labels: evaluation.labels, rows: zip(names, rows).map { ($0, $1) }, name: "joined-clips",
            title: "True and predicted class per frame", axis: "frame",
            end: Double(evaluation.strips.map(\.truth.count).max() ?? 1))
    }
}
