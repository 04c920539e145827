import Foundation
import TestSupport
import Testing
@testable import Datasets

/// Lists with several labels a clip.
@Suite struct LabelSpellingTests {
    @Test("labels that differ only in their Unicode form are one label, with one spelling", arguments: [false, true])
    func forms(hasLabels: Bool) throws {
        let scratch = ScratchFolder()
        for index in 0..<3 { try scratch.file("\(index).mp4", "") }
        try scratch.file("list.csv", "path,label\n0.mp4,caf\u{E9}\n1.mp4,cafe\u{301}\n2.mp4,tea\n")
        let dataset = DatasetConfiguration(
            layout: .csv, root: scratch.path, splits: scratch.path + "/list.csv",
            task: hasLabels ? .multilabel : .classification)
        let listing = try dataset.listing()
        let bytes = Set(listing.clips.map { Array($0.label.utf8) })
        #expect(bytes.count == 2 && listing.clips.count == 3)
        #expect(listing.notes.contains { $0.contains("in more than one Unicode form") })
    }
}

@Suite struct LabelListTests {
    let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for file in ["a.mp4", "b.mp4", "c.mp4", "run/d.mp4"] { try scratch.file("root/\(file)") }
    }

    private func dataset(
        _ list: String, name: String = "list.csv", separator: String = "|", negatives: String? = nil
    ) throws -> DatasetConfiguration {
        DatasetConfiguration(
            layout: .csv, root: scratch.path + "/root", splits: try scratch.file(name, list), task: .multilabel,
            labelSeparator: separator, negatives: negatives)
    }

    private func pairs(_ dataset: DatasetConfiguration) throws -> [String] {
        try dataset.clips().map { "\($0.path): \(dataset.task.shown($0.label))" }
    }

    @Test(
        "each form of a list gives the same labels",
        arguments: [
            "path,label\na.mp4,run|jump\nb.mp4,\nc.mp4,jump\n",
            "path,labels\na.mp4, jump | run |\nb.mp4,|\nc.mp4,jump|jump\n",
            "path;tags\na.mp4;run|jump\nb.mp4;\nc.mp4;jump\n",
            "a.mp4,run|jump\nb.mp4,\nc.mp4,jump\n",
            "path,label\na.mp4,run\nb.mp4,\na.mp4,jump\nc.mp4,jump\nc.mp4,jump\n",
            "path,run,jump\na.mp4,1,1\nb.mp4,0,0\nc.mp4,0,1\n",
            "path,run,jump\na.mp4,1.0,TRUE\nb.mp4,,0.0\nc.mp4,false,1\n",
            "path,run,jump,note\na.mp4,1,0,x\nb.mp4,0,0,y\nc.mp4,0,1,z\na.mp4,1,,w\na.mp4,,,w\n"
                .replacingOccurrences(of: "a.mp4,1,0,x", with: "a.mp4,1,1,x"),
            #"{"a.mp4": ["run", "jump"], "b.mp4": [], "c.mp4": "jump"}"#,
            #"[{"path":"a.mp4","tags":["jump","run"]},{"path":"b.mp4","tags":null},{"path":"c.mp4","tags":"jump"}]"#,
            "{\"path\":\"a.mp4\",\"label\":[\"jump\",\"run\"]}\n{\"path\":\"b.mp4\",\"label\":[]}\n"
                + "{\"path\":\"c.mp4\",\"label\":[\"jump\"]}\n",
            #"{"a.mp4": {"labels": ["run", "jump"]}, "b.mp4": {"labels": ""}, "c.mp4": {"labels": ["jump"]}}"#,
            #"[{"path":"a.mp4","run":1,"jump":true},{"path":"b.mp4","run":0,"jump":false},{"path":"c.mp4","jump":1}]"#,
        ])
    func forms(list: String) throws {
        #expect(try pairs(dataset(list)) == ["a.mp4: jump, run", "b.mp4: none", "c.mp4: jump"])
    }

    @Test("the separator and the name of negatives are those of the pipeline") func settings() throws {
        let list = "path,label\na.mp4,\"run, fast; jump\"\nb.mp4,none\nc.mp4,\n"
        #expect(
            try pairs(dataset(list, separator: ";", negatives: "none")) == [
                "a.mp4: jump, run, fast", "b.mp4: none", "c.mp4: none",
            ])
        #expect(try dataset(list).clips().map(\.label) == [#"["run, fast; jump"]"#, #"["none"]"#, "[]"])
        #expect(
            try pairs(dataset("path,label\na.mp4,x - y\nb.mp4,none\n", separator: " - ")) == [
                "a.mp4: x, y", "b.mp4: none",
            ])
    }

    @Test("splits and groups of several rows must agree") func splits() throws {
        let list = "path,label,split,group\na.mp4,run,test,g\na.mp4,jump,test,g\nb.mp4,run,train,\n"
        let clips = try dataset(list).clips()
        #expect(clips.first == Clip(path: "a.mp4", label: #"["jump","run"]"#, split: .test, group: "g"))
        for (row, reason) in [
            ("a.mp4,jump,train,g", "row 5: a.mp4 is in train, but in test in row 2"),
            ("a.mp4,jump,test,h", "row 5: the group of a.mp4 is h, but g in row 2"),
            ("a.mp4,jump,test,", "row 5: the group of a.mp4 is empty, but g in row 2"),
        ] {
            let error = refusal(of: DatasetError.self) { try dataset(list + row + "\n").clips() }
            #expect(error.contains(reason), "\(error)")
        }
    }

    @Test("a note names the columns with 0 and 1 that are labels, and the others") func flagNotes() throws {
        let listing = try dataset("path,fold,run,jump,url,age\na.mp4,0,1,0,u,1\nb.mp4,1,,1,v,30\nc.mp4,1,1,0,w,40\n")
            .listing()
        #expect(listing.clips.map(\.label) == [#"["run"]"#, #"["jump"]"#, #"["run"]"#])
        #expect(
            listing.notes.contains {
                $0.hasSuffix(
                    "the columns with 0 and 1 are labels: run, jump; other columns are not read: fold, url, age")
            }, "\(listing.notes)")
        #expect(listing.notes.contains { $0.hasSuffix("1 empty cell counts as 0") })
        #expect(listing.notes.contains { $0.contains("the column `fold` is not read") })
        let both = try dataset("path,label,walk\na.mp4,run|jump,1\nb.mp4,run,0\n").listing()
        #expect(both.clips.first?.label == #"["jump","run"]"#)
        #expect(
            both.notes.contains {
                $0.hasSuffix("the labels are those of the column label; the columns with 0 and 1 are not read: walk")
            }, "\(both.notes)")
    }

    @Test(
        "an unclear list is an error that names its place",
        arguments: [
            (
                "path,run,jump\na.mp4,1,0\nb.mp4,0,2\nc.mp4,0,1\n",
                "row 3: the column jump has 0 or 1 in other rows, but 2"
            ),
            ("path,run\na.mp4,1\nb.mp4,0\na.mp4,0\n", "row 4: run is 0 for a.mp4, but 1 in row 2"),
            ("path,run\na.mp4,0\nb.mp4,0\na.mp4,1\n", "row 4: run is 1 for a.mp4, but 0 in row 2"),
            ("path,run\na.mp4,\na.mp4,1\na.mp4,0\nb.mp4,0\n", "row 4: run is 0 for a.mp4, but 1 in row 3"),
            ("path,run,run\na.mp4,1,0\n", "row 1: the header row names two columns run"),
            ("path,url\na.mp4,x\n", "has no column label, labels, tag or class, and no columns with 0 and 1"),
            ("path,label\na.mp4,\nb.mp4,|\n", "has no labels: the column label is empty in every row"),
            ("path,run\na.mp4,0\nb.mp4,0\n", "has a label: all are negatives"),
            ("path,label\na.mp4,run,jump\n", "row 2: it has 3 fields, but the header row has 2"),
            ("path,label\na.mp4,run\nb.mp4\n", "row 3: it ends before the label"),
            (#"[{"path":"a.mp4","label":[["x"]]}]"#, "row 1: the label is neither a text nor a list of texts"),
            (#"[{"path":"a.mp4","label":{"x":1}}]"#, "row 1: the label is neither a text nor a list of texts"),
            (#"[{"path":"a.mp4","label":["x\ny"]}]"#, "row 1: a label contains a line break"),
            (#"{"a.mp4": [1, null]}"#, "row 1: the label is neither a text nor a list of texts"),
            ("path,label,start,end\na.mp4,run|x,1.5,3\n", "name a part of a video"),
        ])
    func errors(list: String, reason: String) throws {
        let error = refusal(of: DatasetError.self) { try dataset(list).clips() }
        #expect(error.contains(reason), "\(error)")
    }

    @Test("a negative with labels, and an unknown name of negatives, are errors") func negatives() throws {
        func error(_ list: String) throws -> String {
            refusal(of: DatasetError.self) { try dataset(list, negatives: "none").clips() }
        }
        #expect(try error("path,label\na.mp4,none|run\n").contains("a.mp4 is none, which `dataset.negatives` defines"))
        #expect(try error("path,label\na.mp4,run\na.mp4,none\n").contains("and also run"))
        #expect(try error("path,none,run\na.mp4,1,1\n").contains("and also run"))
        #expect(try error("path,label\na.mp4,run\n").contains("`dataset.negatives` names none, but"))
        #expect(try error("path,label\na.mp4,none\n").contains("has a label: all are negatives"))
    }

    @Test("without the task, a cell with several labels stays one class, and messages name the task") func oneClass()
        throws
    {
        func listing(_ list: String) throws -> DatasetListing {
            var dataset = try dataset(list)
            dataset.task = .classification
            return try dataset.listing()
        }
        let found = try listing("path,label\na.mp4,run|jump\nb.mp4,run\n")
        #expect(found.clips.map(\.label) == ["run|jump", "run"])
        #expect(found.notes.contains { $0.contains("set `dataset.task: multilabel`") && $0.contains("`run|jump`") })
        for (list, reason) in [
            ("path,label\na.mp4,run\na.mp4,jump\n", "a.mp4 is jump in train, but was run in train; for several labels"),
            (#"{"a.mp4": ["run", "jump"]}"#, "the label is a list; for several labels a clip"),
            (#"[{"path": "a.mp4", "label": ["run"]}]"#, "row 1: the label is a list; for several labels a clip"),
            ("path,label\na.mp4,\n", "the label is empty"), ("path,run\na.mp4,1\n", "no column label, tag or class"),
        ] {
            let error = refusal(of: DatasetError.self) { try listing(list) }
            #expect(error.contains(reason), "\(error)")
        }
        #expect(
            try listing(#"[{"path":"a.mp4","label":"run","tag":["x"]}]"#).clips.map(\.label) == ["run"],
            "other lists are ignored")
    }

    @Test("a note names a label that looks like several, if no clip has several") func separatorNote() throws {
        func notes(_ list: String) throws -> [String] { try dataset(list).listing().notes }
        #expect(
            try notes("path,label\na.mp4,run;jump\nb.mp4,walk\n") == [
                "no clip has several labels: `run;jump` is one label, since `dataset.label_separator` is `|`"
            ])
        #expect(try notes("path,label\na.mp4,run;jump\nb.mp4,walk|swim\n").isEmpty)
        let looks = try notes("path,label\na.mp4,run;jump|walk\nb.mp4,run\n")
        #expect(looks.count == 1 && looks[0].contains("each is treated as one label; `dataset.label_separator` is"))
    }

    @Test("a clip is found in the folder of any of its labels; `classes` keeps all clips with fewer labels")
    func places() throws {
        var dataset = try dataset("path,label\nd.mp4,jump|run\na.mp4,walk\nb.mp4,run|walk\nc.mp4,run\n")
        #expect(try pairs(dataset) == ["a.mp4: walk", "b.mp4: run, walk", "c.mp4: run", "run/d.mp4: jump, run"])
        dataset.classes = .named(["jump", "walk"])
        #expect(try pairs(dataset) == ["a.mp4: walk", "b.mp4: walk", "c.mp4: none", "run/d.mp4: jump"])
        dataset.classes = .top(2)
        #expect(try pairs(dataset) == ["a.mp4: walk", "b.mp4: run, walk", "c.mp4: run", "run/d.mp4: run"])
        dataset.classes = .named(["swim"])
        #expect(throws: DatasetError.unknownClass("swim", available: ["jump", "run", "walk"])) { try dataset.clips() }
    }

    @Test("a test list without labels is left out, and lists of several splits are joined") func folder() throws {
        try scratch.file("lists/train.csv", "path,run,jump\na.mp4,1,1\nb.mp4,0,0\n")
        try scratch.file("lists/validation.csv", "path,jump\nc.mp4,1\n")
        try scratch.file("lists/test.csv", "path,label\nd.mp4,\n")
        var dataset = try dataset("")
        dataset.splits = scratch.path + "/lists"
        let listing = try dataset.listing()
        #expect(listing.clips.map(\.label) == [#"["jump","run"]"#, "[]", #"["jump"]"#])
        #expect(listing.clips.map(\.split) == [.train, .train, .validation])
        #expect(listing.notes.contains { $0.contains("test.csv is not read because it has no labels") })
        // A clip of two lists.
        try scratch.file("lists/validation.csv", "path,jump\na.mp4,1\n")
        let error = refusal(of: DatasetError.self) { try dataset.clips() }
        #expect(error.contains("a.mp4 is in validation, but in train in row 2 of"), "\(error)")
    }
}

/// Charades' published lists.
@Suite struct CharadesListTests {
    let scratch = ScratchFolder()
    static let header = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
    static let rows = [
        #"46GP8,HR43,Kitchen,6,7,Yes,"A person cooks, and leaves.",food;stove,"A person cooks.","#
            + "c092 11.90 21.20;c147 0.00 12.60;c092 1 2,24.83",
        "N11GT,0KZ7,Stairs,6,7,No,x,,y,,18.33",
    ].joined(separator: "\n")

    private func dataset(_ rows: String = rows, classes: String? = nil) throws -> DatasetConfiguration {
        try scratch.file("lists/Charades_v1_train.csv", Self.header + rows + "\n")
        if let classes { try scratch.file("lists/Charades_v1_classes.txt", classes) }
        for name in ["46GP8", "N11GT"] { try scratch.file("videos/\(name).mp4") }
        return DatasetConfiguration(
            layout: .csv, root: scratch.path + "/videos", splits: scratch.path + "/lists", task: .multilabel)
    }

    @Test("a clip has the classes of its actions, and its actor as source") func published() throws {
        let listing = try dataset(classes: "c092 Watching something\nc147 Someone is cooking something\n").listing()
        let labels = ["Someone is cooking something", "Watching something"]
        #expect(
            listing.clips == [
                Clip(path: "46GP8.mp4", label: LabelSet.text(labels), split: .train, group: "HR43"),
                Clip(path: "N11GT.mp4", label: "[]", split: .train, group: "0KZ7"),
            ])
        #expect(listing.notes.count == 1 && listing.notes[0].hasSuffix("whose times are not used"), "\(listing.notes)")
    }

    @Test("without the names of the classes, they have their codes as names") func codes() throws {
        let listing = try dataset().listing()
        #expect(listing.clips.map(\.label) == [#"["c092","c147"]"#, "[]"])
        #expect(listing.notes.contains { $0.contains("classes have their codes as names") })
    }

    @Test(
        "a damaged list is an error at its row",
        arguments: [
            ("46GP8,s,,,,,,,,c092 11.90,1", nil, "row 2: the action c092 11.90 is not like"),
            ("46GP8,s,,,,,,,,jump,1", nil, "row 2: the action jump is not like"),
            ("46GP8,s", nil, "row 2: it ends before the actions"),
            ("46GP8,s,,,,,,,,c100 1 2,1", "c092 Watching\n", "row 2: the class c100 is not in Charades_v1_classes.txt"),
            ("46GP8,s,,,,,,,,c092 1 2,1", "c092 Watching\nc093 Watching\n", "Charades_v1_classes.txt, line 2"),
            ("46GP8,s,,,,,,,,c092 1 2,1", "c92 Watching\n", "Charades_v1_classes.txt, line 1"),
        ] as [(String, String?, String)])
    func errors(row: String, classes: String?, reason: String) throws {
        let dataset = try dataset(row, classes: classes)
        let error = refusal(of: DatasetError.self) { try dataset.clips() }
        #expect(error.contains(reason), "\(error)")
    }
}
