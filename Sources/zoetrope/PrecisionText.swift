import Inference
import Pipelines
import Reports

extension PrecisionCheck.Result {
    /// A table, and what it comes to.
    var text: String {
        var table = TextTable([
            ("precision", .left), (isGPU ? "frames/s" : "frames/s a core", .right), ("cosine to f32", .right),
            ("worst frame", .right),
            ("less the mean", .right), ("head's accuracy", .right),
        ])
        for row in rows {
            let isExact = row.precision == .f32
            table.append([
                row.precision.rawValue, decimal(row.framesPerSecond, 1), isExact ? "–" : decimal(row.meanCosine, 5),
                isExact ? "–" : decimal(row.leastCosine, 5), isExact ? "–" : decimal(row.centredCosine, 5),
                row.accuracy.map { percent($0) } ?? "–",
            ])
        }
        let heading =
            "\(backbone) on \(grouped(frames)) frames of \(clips) clips, \(classes) classes; accuracy over \(judged) clips, "
            + "mean of three heads:"
        return ([heading, table.text] + rows.dropFirst().map(verdict) + missing.map(absence)).joined(separator: "\n")
    }

    private func verdict(_ row: PrecisionCheck.Row) -> String {
        let exact = rows[0]
        let name = row.precision.rawValue
        let speed = row.framesPerSecond / exact.framesPerSecond
        let kept = row.kept.isEmpty ? "" : " (\(row.kept.count) layers in f32)"
        if !isAsGood(row) {
            let pace = speed < 1.1 ? "not faster than f32 here, and" : "\(decimal(speed, 1)) times as fast as f32, but"
            return
                "\(name)\(kept) is \(pace) its features are not as good: stay with f32 where accuracy matters."
                + (row.layers.isEmpty ? "" : " Layer by layer:\n" + Self.table(row))
        }
        if speed < 1.1 { return "\(name)\(kept) is not faster than f32 here: not worth it." }
        return "\(name)\(kept) is \(decimal(speed, 1)) times as fast as f32, and as good: worth it."
    }

    /// How alike each layer's numbers are to those in `f32`.
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
            return "\(precision.rawValue): \(processor) has no instructions for it; extract computes in f32 instead."
        }
        return precision == .int8
            ? "int8 is for processors; on the GPU extract computes in f32 instead."
            : "\(precision.rawValue): this GPU, or ONNX Runtime on it, does not take the network in it."
    }
}
