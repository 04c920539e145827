import Foundation
import Fuzzing
import TestSupport
import Testing

@Suite struct FuzzTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path

    /// Valid files of a kind; videos come from the tests, and from `ZOETROPE_CLIPS` if it is set.
    private static func seeds(_ target: FuzzTarget, in scratch: ScratchFolder) throws -> [String] {
        func files(_ folder: String, _ ending: String) -> [String] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return names.filter { $0.hasSuffix(ending) }.sorted().map { folder + "/" + $0 }
        }
        switch target {
        case .safetensors: return [tests + "/BackbonesTests/Fixtures/timm.bin"]
        case .pickle: return files(tests + "/NeuralNetworkTests/Fixtures/weights", ".bin")
        case .hdf5: return files(tests + "/SequenceModelsTests/Fixtures", ".h5")
        case .onnx, .message: return files(tests + "/ONNXTests/Fixtures", ".onnx")
        case .yaml: return files(tests + "/../pipelines", ".yaml")
        case .splits: return files(tests + "/Fuzzing/Seeds", "")
        case .tokenizer:
            let folder = tests + "/LanguageTests/Fixtures"
            return files(folder, ".model") + files(folder, ".txt")
        case .cache, .run: return []
        case .video:
            let clips = ProcessInfo.processInfo.environment["ZOETROPE_CLIPS"].map { files($0, "") } ?? []
            return [try scratch.file("seed.y4m", TinyClip.numbered(3))] + clips
        }
    }

    @Test("damaged files are read or rejected with an error, and never crash", arguments: FuzzTarget.allCases)
    func damaged(_ target: FuzzTarget) throws {
        let scratch = ScratchFolder()
        let run = try FuzzRun(target, seeds: try Self.seeds(target, in: scratch), folder: scratch.path)
        #expect(target.makesItsFiles != !run.seeds.isEmpty)
        // All operations of commands run on a damaged cache or run.
        let cases = target.makesItsFiles ? 6 : target == .hdf5 ? 30 : 100
        var count = 0
        do { try run.run(from: 1_000_000, count: cases) { _ in count += 1 } } catch { Issue.record("\(error)") }
        #expect(count == cases)
    }

    @Test("the same seed damages a file in the same way, and most seeds change it") func mutations() {
        let whole = (0..<200).map { UInt8($0) }
        func damaged(_ seed: UInt64) -> [UInt8] {
            var mutator = Mutator(seed: seed)
            return mutator.mutate(whole, others: [whole], words: ["x"])
        }
        #expect((0..<50).allSatisfy { damaged($0) == damaged($0) })
        #expect((0..<50).count { damaged($0) != whole } > 40)
    }
}
