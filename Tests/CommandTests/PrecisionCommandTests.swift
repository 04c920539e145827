import Foundation
import NeuralNetwork
import TestSupport
import Testing

@Suite struct PrecisionCommandTests {
    @Test("--check compares precisions and leaves no cache behind")
    func check() throws {
        let place = try Workplace()
        let check = try place.run("extract", "p.yaml", "--check")
        #expect(check.status == 0, "\(check.error)")
        #expect(check.out.contains("frames/s a core"))
        #expect(check.out.contains("resnet18 on 32 frames of 8 clips, 2 classes"))
        for precision in [Precision.bf16, .int8] {
            let expected = precision.isNative ? "\(precision.rawValue) is" : "\(precision.rawValue): this processor"
            #expect(check.out.contains(expected), "\(check.out)")
        }
        #expect(!FileManager.default.fileExists(atPath: place.path + "/features.sqlite"))
    }

    @Test("an older processor says what it cannot do, and the rest works", .enabled(if: Precision.int8.isNative))
    func olderProcessor() throws {
        let place = try Workplace()
        let older = ["ONEDNN_MAX_CPU_ISA": "AVX2", "ZOETROPE_TUNING": "off"]
        let int8 = ["--set", "extract.precision=int8"]
        func run(_ arguments: [String], _ environment: [String: String] = older) throws -> ChildProcess.Output {
            try Program.run(arguments, in: place.path, environment: environment)
        }
        let extract = try run(["extract", "p.yaml"] + int8)
        #expect(extract.status == 0, "\(extract.error)")
        #expect(extract.error.contains("this processor (avx2) has no instructions for int8; resnet18 computes in f32"))
        let precisions: [String] = try place.query("SELECT precision FROM extraction")
        #expect(precisions == ["f32"])
        #expect(try run(["sequence", "p.yaml"] + int8).status == 0)
        let check = try run(["extract", "p.yaml", "--check"] + int8)
        #expect(check.out.contains("int8: this processor (avx2) has no instructions for it"), "\(check.out)")
        // A newer one then makes features of its own.
        let newer = ["ZOETROPE_TUNING": "off"]
        #expect(try run(["extract", "p.yaml"] + int8, newer).out.contains("Extracted 8 videos"))
        #expect(try run(["sequence", "p.yaml", "--name", "whole"] + int8, newer).status == 0)
        let predict = ["predict", "runs/whole", "clips/test/run's/3.y4m"]
        #expect(try run(predict).error.contains("no instructions for int8"))
    }

    @Test("kernels are measured once and remembered where the user's caches are")
    func tuned() throws {
        let place = try Workplace()
        let environment = ["ZOETROPE_TUNING": "on", "XDG_CACHE_HOME": place.path + "/caches"]
        let extract = try Program.run(["extract", "p.yaml"], in: place.path, environment: environment)
        #expect(extract.status == 0, "\(extract.error)")
        let path = place.path + "/caches/zoetrope/kernels.json"
        let measured = try Data(contentsOf: URL(fileURLWithPath: path))
        let again = try Program.run(
            ["extract", "p.yaml", "--cache", "other.sqlite"], in: place.path, environment: environment)
        #expect(again.status == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == measured)
        let checksums: [String] = try place.query("SELECT checksum FROM sequence ORDER BY video_id")
        #expect(try place.query("SELECT checksum FROM sequence ORDER BY video_id", cache: "other.sqlite") == checksums)
    }

    @Test("fewer than one worker is refused, more than cores is not", arguments: ["0", "-1", "many", "9"])
    func workers(count: String) throws {
        let place = try Workplace()
        let output = try place.run("extract", "p.yaml", "--workers=\(count)")
        #expect(output.status == (count == "9" ? 0 : 64), "\(output.error)")
        if count != "9" { #expect(output.error.contains("workers")) }
    }
}
