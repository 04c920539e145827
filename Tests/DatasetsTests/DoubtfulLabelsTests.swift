import TestSupport
import Testing

@testable import Datasets

@Suite struct DoubtfulLabelsTests {
    @Test(
        "labels that look like one class, several, or none are noted",
        arguments: [
            (["Jump", "jump", "run"], "differ only in case", ["`Jump` and `jump`"]),
            (["hand stand", "Hand_stand", "handstand"], "white space", ["`Hand_stand`"]),
            (["jump", "jump\u{A0}", "run"], "white space", [#"`jump\u{a0}`"#]),
            (["jump", "ju\u{200B}mp"], "white space", [#"`ju\u{200b}mp`"#]),
            (["\u{E9}t\u{E9}", "e\u{301}te\u{301}"], "Unicode form", [#"`\u{e9}t\u{e9}`"#]),
            (["'jump'", "jump"], "punctuation", ["`'jump'` and `jump`"]),
            (["01", "1", "1.0", "2"], "the same number", ["`01` and `1` and `1.0`"]),
            (["1,5", "2,5"], "decimal fraction or two numbers", ["`1,5`, `2,5`"]),
            (["jump|run", "jump,run", "run"], "several labels", ["`jump,run`, `jump|run`"]),
            (["jump", "run", "jump + run"], "several labels", ["`jump + run`"]),
            (["nan", "0.0", "1.0"], "missing value", ["`nan`"]),
            (["train", "test", "jump"], "splits of a data set", ["`test` and `train`"]),
        ])
    func doubtful(labels: [String], kind: String, shown: [String]) {
        let notes = DoubtfulLabels(labels + labels).notes
        #expect(notes.count == 1 && notes[0].contains(kind), "\(notes)")
        for text in shown { #expect(notes.first?.contains(text) == true, "\(notes)") }
    }

    @Test(
        "other labels are not noted",
        arguments: [
            ["0", "1", "-1", "10"], ["0.0", "1.0"], ["1_11", "11_1", "c++", "c"], ["train", "bus", "plane"],
            ["Lifting something up, then letting it drop down", "Lifting something up completely"],
            ["none", "jump"], ["playing rock, paper, scissors", "cutting paper"], ["a/b", "a"],
        ])
    func plain(labels: [String]) { #expect(DoubtfulLabels(labels).notes.isEmpty, "\(DoubtfulLabels(labels).notes)") }

    @Test("classes stay as they are, and those that `dataset.classes` leaves out are not noted") func layouts() throws {
        let scratch = ScratchFolder()
        for file in ["Jump/1.mp4", "jump/2.mp4", "run/3.mp4"] { try scratch.file("root/\(file)") }
        var dataset = DatasetConfiguration(layout: .folders, root: scratch.path + "/root")
        let found = try dataset.listing()
        #expect(found.clips.map(\.label) == ["Jump", "jump", "run"] && found.notes.count == 1)
        dataset.classes = .named(["jump", "run"])
        #expect(try dataset.listing().notes.isEmpty)
    }
}
