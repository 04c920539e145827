import Inference
import Workflows
import Reports

extension PrecisionCheck.Result {
    /// A table with a conclusion.
    var text: String {
        var table = TextTable([
            ("precision", .left), (isGPU ? "frames/s" : "frames/s per core", .right), ("cosine to f32", .right),
            ("worst frame", .right), ("centred", .right), (isMultilabel ? "head mAP" : "head accuracy", .right),
        ])
        for row in rows {
            let isExact = row.precision == .f32
            table.append([
                row.precision.rawValue, decimal(row.framesPerSecond, 1), isExact ? "–" : decimal(row.meanCosine, 5),
                isExact ? "–" : decimal(row.leastCosine, 5), isExact ? "–" : decimal(row.centredCosine, 5),
                row.score.map { percent($0) } ?? "–",
            ])
        }
        let heading =
            "\(backbone) on \(counted(frames, "frame")) of \(counted(clips, "clip")), "
            + (isMultilabel
                ? "\(counted(classes, "label")); mean average precision (mAP)"
                : "\(counted(classes, "class", "classes")); accuracy")
            + " over \(counted(judged, "clip")), mean of three heads:"
        return ([heading, table.text] + rows.dropFirst().map(verdict) + missing.map(absence)).joined(separator: "\n")
    }

    private var isMultilabel: Bool { task == .multilabel }
    private var score: String { isMultilabel ? "mAP" : "accuracy" }

    private func verdict(_ row: PrecisionCheck.Row) -> String {
        let exact = rows[0]
        let name = row.precision.rawValue
        let speed = row.framesPerSecond / exact.framesPerSecond
        let kept = row.kept.isEmpty ? "" : " (\(counted(row.kept.count, "layer")) in f32)"
        if !isAsGood(row) {
            let pace =
                speed < 1.1
                ? "not faster than f32 on this machine, and" : "\(decimal(speed, 1)) times as fast as f32, but"
            return "\(name)\(kept) is \(pace) its features differ too much from f32: use f32 if \(score) matters."
                + (row.layers.isEmpty ? "" : " Layer by layer:\n" + Self.table(row))
        }
        if speed < 1.1 { return "\(name)\(kept) is not faster than f32 on this machine: use f32." }
        return "\(name)\(kept) is \(decimal(speed, 1)) times as fast as f32 at the same \(score)."
    }

    /// Cosine similarity of each layer to `f32`.
    private static func table(_ row: PrecisionCheck.Row) -> String {
        var table = TextTable([("layer", .left), ("cosine to f32", .right), ("", .left)])
        for layer in row.layers {
            table.append([layer.layer, decimal(layer.cosine, 5), row.kept.contains(layer.layer) ? "in f32" : ""])
        }
        return table.text
    }

    private func absence(_ precision: Precision) -> String {
        if !isGPU {
            let processor = "this processor (\(ArithmeticLibrary.instructionSet))"
            return "\(precision.rawValue): \(processor) has no instructions for it; `extract` uses f32 instead."
        }
        return precision == .int8
            ? "int8 needs a processor; on the GPU `extract` uses f32 instead."
            : "\(precision.rawValue): this GPU, or ONNX Runtime on it, does not support it for this backbone."
    }
}
