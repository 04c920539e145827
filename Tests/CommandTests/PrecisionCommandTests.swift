import Foundation
import Inference
import TestSupport
import Testing

@Suite struct PrecisionCommandTests {
    @Test("--check compares precisions and writes no cache") func check() throws {
        let place = try Workplace()
        let check = try place.run(
            "extract", "p.yaml", "--check", status: 0, out: "frames/s per core",
            "resnet18 on 32 frames of 8 clips, 2 classes")
        for precision in [Precision.bf16, .int8] {
            let expected = precision.isNative ? "\(precision.rawValue) is" : "\(precision.rawValue): this processor"
            #expect(check.out.contains(expected), "\(check.out)")
        }
        #expect(!FileManager.default.fileExists(atPath: place.path + "/features.sqlite"))
    }

    @Test(
        "an unsupported precision on an older CPU gives a message, and the features are computed in another",
        .enabled(if: Precision.int8.isNative, "needs int8 instructions"))
    func olderProcessor() throws {
        let place = try Workplace()
        let older = ["ONEDNN_MAX_CPU_ISA": "AVX2", "ZOETROPE_TUNING": "off"]
        let int8 = ["--set", "extract.precision=int8"]
        try place.run(
            ["extract", "p.yaml"] + int8, environment: older, status: 0,
            error: "this processor (avx2) has no instructions for int8; resnet18 computes in f32")
        #expect(try place.query("SELECT precision FROM extraction") == ["f32"])
        try place.run(["sequence", "p.yaml"] + int8, environment: older, status: 0)
        try place.run(
            ["extract", "p.yaml", "--check"] + int8, environment: older,
            out: "int8: this processor (avx2) has no instructions for it")
        // A newer CPU then extracts separate features.
        try place.run(["extract", "p.yaml"] + int8, out: "Extracted 8 videos")
        try place.run(["sequence", "p.yaml", "--name", "whole"] + int8, status: 0)
        try place.run(
            ["predict", "runs/whole", "clips/test/run's/3.y4m"], environment: older,
            error: "no instructions for int8")
    }

    @Test("kernels are auto-tuned incrementally, and the tuning cache is in the user's cache folder") func tuned()
        throws
    {
        let place = try Workplace()
        let environment = ["ZOETROPE_TUNING": "on", "XDG_CACHE_HOME": place.path + "/caches"]
        let path = place.path + "/caches/zoetrope/kernels.json"
        func measured() throws -> [String] {
            struct Kernels: Decodable { let kernels: [String: [[String: AnyDecodable]]] }
            struct AnyDecodable: Decodable { init(from decoder: any Decoder) {} }
            let all = try JSONDecoder().decode(
                [String: Kernels].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            return all.values.flatMap(\.kernels.keys).sorted()
        }
        func extract(_ cache: String) throws {
            try place.run(["extract", "p.yaml", "--cache", cache], environment: environment, status: 0)
        }
        try extract("features.sqlite")
        let first = try measured()
        // There is so little work that most kernels are not worth tuning.
        #expect((1...10).contains(first.count), "\(first)")
        try extract("other.sqlite")
        #expect(Set(try measured()).isSuperset(of: first))
        let lengths = "SELECT length FROM sequence ORDER BY video_id"
        let (own, other): ([Int], [Int]) = (try place.query(lengths), try place.query(lengths, cache: "other.sqlite"))
        #expect(own == other && own.count == 8)
    }

    @Test("the fastest precision is selected once, printed in a line, and reused by later commands") func fastest()
        throws
    {
        let place = try Workplace()
        // With tuning, so that calibration ranges are stored, as for a user.
        let environment = ["ZOETROPE_TUNING": "on", "XDG_CACHE_HOME": place.path + "/caches"]
        let fastest = ["--set", "extract.precision=fastest"]
        func run(_ arguments: [String]) throws -> ChildProcess.Output {
            try place.run(arguments, environment: environment)
        }
        let first = try run(["extract", "p.yaml"] + fastest)
        #expect(first.status == 0, "\(first.error)")
        let lines = first.error.split(separator: "\n").filter { $0.hasPrefix("note: ") }
        #expect(lines.count == 1 && lines[0].contains("precision: fastest chose "), "\(first.error)")
        let chosen: [String] = try place.query("SELECT precision FROM extraction")
        #expect(chosen.count == 1 && lines[0].contains("fastest chose \(chosen[0]) for resnet18"))
        #expect(try place.query("SELECT json_extract(recipe, '$.precision_asked') FROM extraction") == ["fastest"])

        let again = try run(["extract", "p.yaml"] + fastest)
        #expect(again.out.contains("8 skipped") && !again.error.contains("fastest"), "\(again.error)")
        #expect(try run(["sequence", "p.yaml", "--name", "a"] + fastest).status == 0)
        // An explicit name gives the same precision.
        let named = ["--set", "extract.precision=" + chosen[0]]
        #expect(try run(["extract", "p.yaml"] + named).out.contains("8 skipped"))
        #expect(try run(["sequence", "p.yaml", "--name", "b"] + named).status == 0)

        let parts = try run(["extract", "p.yaml", "--shard", "1/2"] + fastest)
        #expect(parts.status != 0 && parts.error.contains("--check"), "\(parts.error)")
        try place.run("extract", "p.yaml", "--set", "extract.precision=fast", error: "did you mean `fastest`?")
    }

    @Test("features of an explicit precision are not used for `auto` before a precision was selected") func undecided()
        throws
    {
        let place = try Workplace(after: "extract")
        let training = try place.run("sequence", "p.yaml", "--set", "extract.precision=fastest")
        #expect(training.status != 0 && training.error.contains("extract"), "\(training.error)")
    }

    @Test(
        "fewer than one worker is rejected; more workers than cores are accepted", arguments: ["0", "-1", "many", "9"])
    func workers(count: String) throws {
        let isValid = count == "9"
        try Workplace().run(
            "extract", "p.yaml", "--workers=\(count)", status: isValid ? 0 : 64,
            error: isValid ? "8 videos to extract" : "workers")
    }
}
