import Foundation
import Testing

/// Outputs that accept no bytes, and paths that cannot be written.
@Suite struct OutputTests {
    private static let runRows = "SELECT count(*) FROM run WHERE state = 'finished'"

    @Test(
        "if standard output or error is full or closed, work is stored and the exit code is not 0",
        arguments: ["> /dev/full", ">&-", "2> /dev/full", "2>&-", ">&- 2>&- <&-", "> /dev/full 2>&1", "2>&- > out.txt"])
    func longWork(streams: String) throws {
        let place = try Workplace()
        let extracted = try Program.shell("$Z extract p.yaml \(streams)", in: place.path)
        #expect(extracted.status == 1, "\(extracted.status) \(extracted.error)")
        #expect(try place.query("SELECT count(*) FROM sequence") == [8])
        let trained = try Program.shell("$Z sequence p.yaml \(streams)", in: place.path)
        #expect(trained.status == 1, "\(trained.status) \(trained.error)")
        #expect(try place.query(Self.runRows) == [1])
        // No printed text is inside a file.
        #expect(try place.run("cache", "verify").status == 0)
        #expect(try place.run("evaluate", "runs/tiny").status == 0)
    }

    @Test("a closed standard input does not corrupt files that would get its descriptor") func closedInput() throws {
        let place = try Workplace()
        #expect(try Program.shell("$Z extract p.yaml <&-", in: place.path).status == 0)
        #expect(try Program.shell("$Z sequence p.yaml <&-", in: place.path).status == 0)
        #expect(try place.run("cache", "verify").status == 0)
    }

    @Test("every command reports a failed write to standard output") func shortWork() throws {
        let place = try Workplace(after: "extract", "sequence")
        let commands = [
            "dataset p.yaml", "extract p.yaml", "sequence p.yaml", "evaluate runs/tiny", "evaluate runs/tiny --json",
            "compare runs/tiny --json", "compare runs/tiny", "runs", "runs --json", "cache info", "cache info --json",
            "cache verify", "cache verify --json", "cache merge m.sqlite features.sqlite",
            "cache export features.sqlite x.npz", "cache export features.sqlite x.csv --table sample",
            "cache prune features.sqlite --unused --dry-run", "export runs/tiny m.onnx --part head",
            "predict runs/tiny clips/test/*/3.y4m", "predict runs/tiny clips/test/*/3.y4m --json",
            "similar features.sqlite clips/test/*/3.y4m --json", "explore features.sqlite", "describe",
            "describe resnet18", "weights list", "--help", "--version", "help extract",
            "learning-curve p.yaml --folds 2 --sizes 2 --json", "--generate-completion-script bash",
        ]
        for command in commands {
            for stream in ["> /dev/full", ">&-"] {
                let output = try Program.shell("$Z \(command) \(stream)", in: place.path)
                #expect(output.status == 1, "\(command) \(stream): \(output.status) \(output.error)")
                let reason = stream == ">&-" ? "it is closed" : "No space left on device"
                #expect(output.error.hasSuffix("can be written to.\n"), "\(command): \(output.error)")
                #expect(output.error.contains("Standard output could not be written: \(reason)."), "\(command)")
            }
            let silent = try Program.shell("$Z \(command) 2>&- > /dev/null", in: place.path)
            #expect(silent.status == 0 || silent.status == 1, "\(command): \(silent.status)")
        }
        #expect(try place.run("cache", "verify").status == 0)
        #expect(try place.run("cache", "verify", "m.sqlite").status == 0)
        // Wrong usage is an error even if the message cannot be printed.
        #expect(try Program.shell("$Z nonsense 2>&-", in: place.path).status == 64)
        #expect(try Program.shell("$Z evaluate nothing 2> /dev/full", in: place.path).status == 1)
    }

    @Test("a closed pipe ends a command silently by SIGPIPE, after its work") func closedPipe() throws {
        let place = try Workplace()
        func status(_ command: String) throws -> String {
            let output = try Program.shell("\(command) | true; echo ${PIPESTATUS[0]}", in: place.path)
            #expect(output.error.isEmpty, "\(command): \(output.error)")
            return output.out.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        // The reader closes the pipe first.
        #expect(try status("(sleep 0.2; $Z describe)") == "141")
        #expect(try status("(sleep 0.2; $Z extract p.yaml 2>&1)") == "141")
        #expect(try place.query("SELECT count(*) FROM sequence") == [8])
        #expect(try status("(sleep 0.2; $Z sequence p.yaml 2>&1)") == "141")
        #expect(try place.query(Self.runRows) == [1])
        let ignoring = try Program.shell(
            "(trap '' PIPE; sleep 0.2; $Z describe) | true; echo ${PIPESTATUS[0]}", in: place.path)
        #expect(ignoring.out == "1\n" && ignoring.error.contains("Broken pipe"), "\(ignoring.error)")
        #expect(try Program.shell("$Z runs | head -1", in: place.path).out.contains("run"))
    }

    @Test("a path that cannot hold a cache is rejected before any video is read") func caches() throws {
        let place = try Workplace()
        try place.add("file.txt", "x")
        let names = [
            "", ":memory:", "file:c.sqlite?mode=memory", "file::memory:", "none/c.sqlite", "clips", "file.txt/c.sqlite",
            "/dev/null", "c/",
        ]
        for name in names {
            for command in [["extract", "p.yaml", "--cache"], ["cache", "merge"]] {
                let inputs = command[0] == "cache" ? ["features.sqlite"] : []
                let refused = try place.run(command + [name] + inputs, status: 1)
                #expect(refused.error.hasPrefix("error: "), "\(command) '\(name)': \(refused.error)")
            }
            let frames = try place.run(["finetune", "p.yaml", "--frames", name])
            #expect(frames.status != 0 && !frames.error.contains("decoding"), "'\(name)': \(frames.error)")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: place.path)
        // `finetune` had created its cache.
        let expected: Set = ["clips", "features.sqlite", "file.txt", "p.yaml", "user-cache"]
        #expect(expected.isSuperset(of: left), "\(left)")
        #expect(try place.run("extract", "p.yaml", "--cache", "./:memory:").status == 0)
        #expect(try place.query("SELECT count(*) FROM sequence", cache: ":memory:") == [8])
    }

    @Test("output paths that cannot be written are rejected before any work") func results() throws {
        let place = try Workplace(after: "extract", "sequence")
        let video = "clips/test/run's/3.y4m"
        let commands = [
            ["sequence", "p.yaml", "--runs"], ["evaluate", "runs/tiny", "--report"],
            ["evaluate", "runs/tiny", "--format", "svg", "--report"], ["compare", "runs/tiny", "--report"],
            ["explore", "features.sqlite", "--output"], ["explore", "features.sqlite", "--label-errors"],
            ["predict", "runs/tiny", video, "--gif"], ["predict", "runs/tiny", video, "--video"],
            ["predict", "runs/tiny", video, "--windows", "--csv"], ["cam", "runs/tiny", video, "--output"],
            ["dataset", "p.yaml", "--digests"], ["export", "runs/tiny"], ["demo"],
            ["weights", "fetch", "resnet18", "--folder"],
            ["learning-curve", "p.yaml", "--report"], ["search", "features.sqlite", "x", "--html"],
        ]
        for command in commands {
            let output = try place.run(command + [""], status: 1, error: " is empty")
            #expect(output.out.isEmpty, "\(command): \(output.out)")
        }
        let endings = [
            (["predict", "runs/tiny", video, "--windows", "--strip"], "s.svg"),
            (["similar", "features.sqlite", video, "--strip"], "s.png"),
            (["cache", "export", "features.sqlite"], "x.npz"),
            (["weights", "convert", "runs/tiny/model.safetensors"], "w.safetensors"),
            (["search", "features.sqlite", "x", "--output-video"], "f.mp4"),
            (["evaluate", "runs/tiny", "--report"], "r.html"), (["predict", "runs/tiny", video, "--gif"], "g.gif"),
        ]
        for (command, name) in endings {
            let output = try place.run(command + ["none/" + name], status: 1, error: "the folder none does not exist")
            #expect(output.out.isEmpty, "\(command): \(output.out)")
        }
        try place.run("sequence", "p.yaml", "--runs", "p.yaml/runs", status: 1, error: "p.yaml is not a folder")
    }
}
