import Datasets
import SequenceModels

/// The `dataset` section of a pipeline file.
extension Pipeline {
    static func dataset(_ reader: PipelineReader) throws -> DatasetConfiguration {
        let section = try reader.required("dataset") {
            try reader.section(
                $0,
                keys: [
                    "layout", "root", "splits", "split", "validation", "test", "test_seed", "group", "exclude",
                    "classes", "name", "task", "label_separator", "negatives",
                ])
        }
        let layout = try section.choice("layout", DatasetConfiguration.Layout.self) ?? .folders
        if !layout.hasLists { try section.forbid(["splits"], "does not apply to the layout `\(layout.rawValue)`") }
        if !layout.hasNumberedSplits {
            try section.forbid(["split"], "does not apply to the layout `\(layout.rawValue)`")
        }
        var classes = DatasetConfiguration.Classes.all
        if let names = try? section.strings("classes") {
            if names.isEmpty { throw section.invalid("classes", "must not be empty") }
            classes = .named(names)
        } else if (try? section.string("classes")) != nil {
            _ = try section.choice("classes", ["all"])
        } else if let top = try section.section("classes", keys: ["top"]) {
            classes = .top(try top.required("top") { try top.integer($0, in: 2...Int.max) })
        }
        let task = try section.choice("task", DatasetConfiguration.Task.self) ?? .classification
        if task == .classification {
            try section.forbid(["label_separator", "negatives"], "needs `dataset.task: multilabel`")
        } else if layout != .folders && layout != .csv {
            throw section.invalid("task", "must be `classification` for the layout `\(layout.rawValue)`")
        } else if layout == .folders {
            try section.forbid(["label_separator"], "does not apply to the layout `folders`")
        }
        let (separator, negatives) = (try section.string("label_separator"), try section.string("negatives"))
        for (key, text) in [("label_separator", separator), ("negatives", negatives)] where text?.isEmpty == true {
            throw section.invalid(key, "must not be empty")
        }
        if !section.has("test") { try section.forbid(["test_seed"], "needs `dataset.test`") }
        let allSplits = (try? section.string("split")) == "all"
        func share(_ key: String) throws -> Double? {
            try section.number(key, in: TrainingConfiguration.Ranges.validation)
        }
        return DatasetConfiguration(
            layout: layout, root: try section.required("root", section.string), splits: try section.string("splits"),
            split: allSplits ? 1 : try section.integer("split", in: 1...3) ?? 1, allSplits: allSplits,
            validation: try share("validation") ?? 0.2, test: try share("test") ?? 0,
            testSeed: try section.integer("test_seed", in: 0...Int.max) ?? 0, group: try section.string("group"),
            exclude: try section.string("exclude"), classes: classes, name: try section.string("name"),
            task: task, labelSeparator: separator ?? "|", negatives: negatives)
    }
}
