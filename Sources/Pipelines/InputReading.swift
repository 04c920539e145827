import Backbones
import Yams

/// The key `input` of `extract`, and the option of `classify` that takes the same.
extension Pipeline {
    /// One of the known conventions by name, or mean and deviation of red, green, blue.
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
            deviation: try reader.required("deviation") { try reader.numbers($0, count: 3) { $0 > 0 } },
            isBlueFirst: try reader.boolean("blue_first") ?? false)
    }

    /// What `extract.input` is read as: a name, or a mapping with mean and deviation.
    ///
    /// - `option`: named in errors, such as `--input`.
    /// - Throws: `PipelineError`.
    public static func inputConvention(_ text: String, option: String) throws -> InputConvention? {
        guard let node = try Yams.compose(yaml: "input: " + text) else { return nil }
        return try input(PipelineReader(node, file: option, path: "", keys: ["input"]))
    }

    private static let inputKeys = ["mean", "deviation", "blue_first", "difference"]

    static func showsDifference(_ section: PipelineReader) throws -> Bool {
        if let name = try? section.string("input") { return name == "difference" }
        return try section.section("input", keys: inputKeys)?.boolean("difference") ?? false
    }
}
