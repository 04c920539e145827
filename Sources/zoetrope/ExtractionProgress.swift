import Extraction
import Reports

/// Shows what an extraction does: a bar with frames per second and time left.
final class ExtractionProgress {
    private let line = ProgressLine()
    private var begin = ContinuousClock.now
    /// Notes that were shown: precisions that are compared have most of them in common.
    private var notes: Set<String> = []

    func show(_ event: Extractor.Event) {
        switch event {
        case .hashing(let done, let total):
            // A log needs no word about what took no time.
            if done < total || Console.isTerminal { line.step("reading", done, of: total) }
        case .planned(let remaining, let skipped):
            line.clear()
            begin = .now
            Console.message("\(remaining) videos to extract, \(skipped) already in the cache")
        case .extracted(let done, let total, let frames, let unit):
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            let left = seconds / Double(done) * Double(total - done)
            line.step(
                "extracting", done, of: total,
                "  \(decimal(Double(frames) / max(seconds, 1e-9), 1)) \(unit)/s  ETA \(ProgressLine.clock(left))")
        case .failed(let path, let error):
            line.clear()
            Console.message("failed: \(path): \(error)")
        case .note(let text):
            guard notes.insert(text).inserted else { return }
            line.clear()
            Console.message("note: " + text)
        }
    }

    func finish() { line.clear() }
}

extension Extractor.Summary {
    /// What happened, in one line.
    var text: String {
        var parts = ["Extracted \(grouped(extracted)) videos (\(grouped(frames)) \(unit))"]
        if extracted > 0 {
            parts[0] += " in \(decimal(seconds, 1)) s, \(decimal(Double(frames) / max(seconds, 1e-9), 1)) \(unit)/s"
        }
        parts.append("\(grouped(skipped)) skipped, already in the cache")
        parts.append("\(grouped(failed)) failed")
        if decodeErrors > 0 {
            parts.append("\(grouped(decodeErrors)) damaged \(decodeErrors == 1 ? "stretch" : "stretches") passed over")
        }
        return parts.joined(separator: "; ") + "."
    }
}
