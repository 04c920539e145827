import Datasets
import Foundation
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct CacheLabelsTests {
    let scratch = ScratchFolder()

    /// A data set `demo` with these texts as labels.
    private func cache(_ labels: [String]) throws -> CacheFile {
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        for (index, label) in labels.enumerated() { try cache.register(Example.video("\(index).mp4"), label: label) }
        return cache
    }

    @Test(
        "a data set is multilabel if all its labels are JSON arrays of texts",
        arguments: [
            ([#"["jump","run"]"#, "[]", #"["it's \"odd\" ✓"]"#], true), ([#"["run"]"#], true),
            ([#"["run"]"#, "run"], false), (["run", "jump"], false), ([#"["run",1]"#], false), ([#"{"a":"b"}"#], false),
            ([#"["run""#], false), (["[run]"], false), (["null", "[]"], false), (["\"run\""], false), ([""], false),
            (["[[\"run\"]]"], false), ([], false), (["5"], false),
        ] as [([String], Bool)])
    func task(labels: [String], isMultilabel: Bool) throws {
        let cache = try cache(labels)
        #expect(try cache.task(dataset: "demo") == (isMultilabel ? .multilabel : .classification))
        #expect(try cache.task(dataset: "other") == .classification)
    }

    @Test("the task of one data set does not depend on those of others") func datasets() throws {
        let cache = try cache([#"["run"]"#])
        try cache.register(Example.video("a.mp4"), dataset: "classes", label: "run")
        #expect(try cache.task(dataset: "demo") == .multilabel)
        #expect(try cache.task(dataset: "classes") == .classification)
    }

    @Test("clips are selected that have all of the labels; unknown labels are errors that list the known ones")
    func selection() throws {
        let cache = try cache([#"["jump","run"]"#, #"["jump"]"#, "[]", #"["run","it's \"odd\" ✓"]"#])
        func paths(_ labels: String..., condition: String? = nil) throws -> [String] {
            let chosen = try cache.videos(dataset: "demo", condition: condition, labels: labels)
            return try cache.videos(dataset: "demo").filter { chosen.contains($0.id) }.map(\.path).sorted()
        }
        #expect(try cache.labels(dataset: "demo") == ["it's \"odd\" ✓", "jump", "run"])
        #expect(try paths("jump") == ["0.mp4", "1.mp4"])
        #expect(try paths("jump", "run") == ["0.mp4"])
        #expect(try paths("jump", "jump") == ["0.mp4", "1.mp4"])
        #expect(try paths("it's \"odd\" ✓") == ["3.mp4"])
        #expect(try paths("run", condition: "path > '2'") == ["3.mp4"])
        #expect(try paths().count == 4)
        #expect(
            throws: LabelFilterError.unknown(
                "jum", dataset: "demo", known: ["it's \"odd\" ✓", "jump", "run"], task: .multilabel)
        ) { try paths("jum") }
    }

    @Test("the table `annotation` can be used in a condition on labels") func condition() throws {
        let cache = try cache([])
        let samples = [["jump", "run"], ["jump"], []].enumerated().map { index, names in
            (
                Example.video("\(index).mp4"),
                SampleRecord(
                    dataset: "demo", label: LabelSet.text(names), split: "train", group: nil, labels: names,
                    source: .list)
            )
        }
        try cache.registerSamples(samples)
        let condition = "video.id IN (SELECT video_id FROM annotation WHERE label IN ('run', 'walk'))"
        #expect(try cache.videos(dataset: "demo", condition: condition).count == 1)
    }

    @Test("the summary counts labels, not sets of labels") func summary() throws {
        let cache = try cache([#"["jump","run"]"#, #"["jump"]"#, "[]", #"["run"]"#, #"["run","walk"]"#])
        try cache.register(Example.video("0.mp4"), dataset: "classes", label: "run")
        try cache.register(Example.video("t.mp4"), label: #"["jump"]"#, split: "test")
        let coverage = try cache.summary().coverage
        #expect(coverage.map(\.dataset) == ["classes", "demo", "demo"] && coverage.map(\.classes) == [1, 1, 3])
    }

    @Test("with one class a clip a class can be selected, but not two") func classes() throws {
        let cache = try cache(["run", "jump", "run"])
        #expect(try cache.videos(dataset: "demo", labels: ["run"]).count == 2)
        #expect(throws: LabelFilterError.oneClass(dataset: "demo", ["jump", "run"])) {
            try cache.videos(dataset: "demo", labels: ["run", "jump"])
        }
        #expect(throws: LabelFilterError.self) { try cache.videos(dataset: "demo", labels: ["fly"]) }
    }
}
