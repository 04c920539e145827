import Backbones
import Yams

/// The key `input` of `extract`, and the equivalent option of `classify`.
extension Pipeline {
    /// A named convention, or mean and standard deviation of red, green and blue.
    static func input(_ section: PipelineReader) throws -> InputConvention? {
        guard section.has("input") else { return nil }
        let known = InputConvention.named
        if (try? section.string("input")) != nil {
            return known[try section.choice("input", known.keys.sorted() + ["difference"]) ?? ""]
        }
        guard let reader = try section.section("input", keys: inputKeys), reader.names != ["difference"] else {
            return nil
        }
        return InputConvention(
            mean: try reader.required("mean") { try reader.numbers($0, count: 3) { _ in true } },
            standardDeviation: try reader.required("deviation") { try reader.numbers($0, count: 3) { $0 > 0 } },
            isBlueFirst: try reader.boolean("blue_first") ?? false)
    }

    /// Parses `extract.input`: a name, or a mapping with mean and standard deviation. `option`: name for errors, such
    /// as `--input`. Throws `PipelineError`.
    package static func inputConvention(_ text: String, option: String) throws -> InputConvention? {
        guard let node = try Yams.compose(yaml: "input: " + text) else { return nil }
        return try input(PipelineReader(node, file: option, path: "", keys: ["input"]))
    }

    private static let inputKeys = ["mean", "deviation", "blue_first", "difference"]

    static func showsDifference(_ section: PipelineReader) throws -> Bool {
        if let name = try? section.string("input") { return name == "difference" }
        return try section.section("input", keys: inputKeys)?.boolean("difference") ?? false
    }
}
