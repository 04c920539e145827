import CYaml
import Foundation

/// Limits on YAML from files. libyaml reports events without recursion; the limits are checked on these events before
/// Yams recurses into them, copies aliased values or compares keys.
enum YAMLLimits {
    /// Maximum bytes of a file.
    static let bytes = 4 << 20
    /// Maximum nesting of lists and mappings.
    static let depth = 64
    /// Maximum number of values, including those that aliases repeat.
    static let values = 200_000

    /// Why a text must not be composed; nil if it may, or if it is not YAML, which Yams then reports with the position.
    static func problem(_ text: String) -> String? {
        if text.utf8.count > bytes { return "it has more than \(bytes >> 20) MB" }
        var text = text
        return text.withUTF8 { buffer in
            var parser = yaml_parser_t()
            guard yaml_parser_initialize(&parser) == 1 else { return nil }
            defer { yaml_parser_delete(&parser) }
            yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            var walk = Walk()
            while true {
                var event = yaml_event_t()
                guard yaml_parser_parse(&parser, &event) == 1 else { return nil }
                defer { yaml_event_delete(&event) }
                if event.type == YAML_STREAM_END_EVENT || event.type == YAML_NO_EVENT { return nil }
                if let problem = walk.take(event) { return problem }
            }
        }
    }

    /// Counts values; an alias counts as many as its anchor.
    private struct Walk {
        private var total = 0
        /// Open lists and mappings: their anchors, and the total at their start.
        private var open: [(anchor: String?, start: Int)] = []
        private var sizes: [String: Int] = [:]

        mutating func take(_ event: yaml_event_t) -> String? {
            switch event.type {
            case YAML_SCALAR_EVENT:
                total += 1
                if let anchor = Self.name(event.data.scalar.anchor) { sizes[anchor] = 1 }
            case YAML_ALIAS_EVENT: total += max(1, Self.name(event.data.alias.anchor).flatMap { sizes[$0] } ?? 1)
            case YAML_SEQUENCE_START_EVENT: begin(Self.name(event.data.sequence_start.anchor))
            case YAML_MAPPING_START_EVENT: begin(Self.name(event.data.mapping_start.anchor))
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
                if let last = open.popLast(), let anchor = last.anchor { sizes[anchor] = total - last.start }
            default: break
            }
            if open.count > YAMLLimits.depth { return "it is nested more than \(YAMLLimits.depth) levels deep" }
            return total > YAMLLimits.values ? "it has more than \(YAMLLimits.values) values, with repeated ones" : nil
        }

        private mutating func begin(_ anchor: String?) {
            open.append((anchor, total))
            total += 1
        }

        private static func name(_ text: UnsafeMutablePointer<UInt8>?) -> String? { text.map { String(cString: $0) } }
    }
}
