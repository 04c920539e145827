import Foundation
import SequenceModels

extension Metrics {
    private struct Document: Encodable {
        struct Class: Encodable {
            let label: String
            let clips: Int
            let correct: Int
        }
        let run: String
        let split: String
        let clips: Int
        let loss: Double
        let accuracy: Double
        let topAccuracy: [String: Double]
        let classes: [Class]
        let confusion: [[Int]]

        enum CodingKeys: String, CodingKey {
            case run, split, clips, loss, accuracy, classes, confusion
            case topAccuracy = "top_accuracy"
        }
    }

    /// The metrics as a JSON object; `confusion[true][predicted]` in the order of `classes`.
    public func json(run: String, split: String, top: Int) throws -> String {
        let classes = labels.indices.map { index in
            Document.Class(label: labels[index], clips: perClass(index).count, correct: perClass(index).correct)
        }
        let document = Document(
            run: run, split: split, clips: count, loss: loss, accuracy: accuracy,
            topAccuracy: ["\(top)": accuracy(top: top)], classes: classes, confusion: confusion)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
