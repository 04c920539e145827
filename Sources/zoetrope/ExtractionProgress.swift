import Extraction
import Reports

/// Shows the progress of an extraction: a bar with frames per second and remaining time.
final class ExtractionProgress {
    private let line = ProgressLine()
    private var begin = ContinuousClock.now
    /// Notes that were already shown: precision comparisons repeat most of them.
    private var notes: Set<String> = []

    func show(_ event: Extractor.Event) {
        switch event {
        case .hashing(let done, let total):
            // In a log, instant steps are omitted.
            if done < total || Console.isTerminal { line.step("reading", done, of: total) }
        case .planned(let remaining, let skipped):
            line.clear()
            begin = .now
            Console.message("\(counted(remaining, "video")) to extract, \(skipped) already in the cache")
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
    var text: String {
        var parts = ["Extracted \(counted(extracted, "video")) (\(grouped(frames)) \(unit))"]
        if extracted > 0 {
            parts[0] += " in \(decimal(seconds, 1)) s, \(decimal(Double(frames) / max(seconds, 1e-9), 1)) \(unit)/s"
        }
        parts.append("\(grouped(skipped)) skipped, already in the cache")
        parts.append("\(grouped(failed)) failed")
        if decodeErrors > 0 {
            parts.append("\(grouped(decodeErrors)) damaged \(decodeErrors == 1 ? "segment" : "segments") skipped")
        }
        return parts.joined(separator: "; ") + "."
    }
}
