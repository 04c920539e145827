import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct CacheExportTests {
    let scratch = ScratchFolder()

    private func export(
        _ format: CacheExport.Format, as type: StoredType = .float32, split: String? = nil
    ) throws -> (path: String, count: Int) {
        let (cache, extraction) = try Example.cache(in: scratch, as: type)
        let path = "\(scratch.path)/out.\(format.rawValue)"
        let export = CacheExport(extraction: extraction, dataset: "demo", split: split)
        return (path, try export.write(format, from: cache, to: path))
    }

    @Test("with a run, splits are those recorded in the run, whatever the data set says")
    func splitsOfRun() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let run = try cache.addRun("r", extraction)
        let videos = try cache.videos(dataset: "demo")
        try cache.store(
            [
                MembershipRecord(videoID: videos[0].id, role: .train),
                MembershipRecord(videoID: videos[0].id, role: .heldout),
            ], run: run)
        func splits(_ split: String?) throws -> [String] {
            var export = CacheExport(extraction: extraction, dataset: "demo", split: split)
            export.run = run
            return try ExportTable(export, cache).rows.map { "\($0.path) \($0.split)" }
        }
        #expect(try splits(nil) == ["a.mp4 heldout"])
        #expect(try splits("train") == ["a.mp4 train"])
        #expect(try splits("test") == [])
        let source = try cache.source(ofRun: "r")
        #expect(source.run == run && source.extraction == extraction && source.dataset == "demo")
        #expect(throws: PruningError.unknownRun("none")) { try cache.source(ofRun: "none") }
    }

    /// A Python interpreter with NumPy.
    private static let python: String? = [ProcessInfo.processInfo.environment["ZOETROPE_PYTHON"], "python3"]
        .compactMap { $0 }.first { (try? ChildProcess.run($0, ["-c", "import numpy"]))?.status == 0 }

    @Test("a .npy has NumPy's header followed by the features, ordered by path") func npy() throws {
        let (path, count) = try export(.npy)
        #expect(count == 2)
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3,), }"
        #expect(data.prefix(10) == Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 0x76, 0]))
        #expect(data[10..<128] == Data(text.utf8) + Data(repeating: 32, count: 117 - text.utf8.count) + Data("\n".utf8))
        let numbers = data[128...].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        #expect(Array(numbers[..<12]) == [10, 11, 12, 13, 14, 15, 16, 17, 18, 0, 0, 0])
        #expect(Array(numbers[12..<18]) == [0, 1, 2, 3, 4, 5])
        #expect(Array(numbers[18...]) == [Float](repeating: 0, count: 6))
    }

    @Test("a .safetensors holds features, mask, lengths and labels", arguments: StoredType.allCases)
    func safetensors(_ type: StoredType) throws {
        let (path, _) = try export(.safetensors, as: type)
        let renamed = scratch.path + "/out.bin"
        try FileManager.default.moveItem(atPath: path, toPath: renamed)
        let file = try SafeTensorsFile(path: renamed)
        #expect(file.shapes == ["features": [2, 4, 3], "mask": [2, 4], "lengths": [2], "labels": [2]])
        #expect(try file.tensor(named: "mask")?.values == [1, 1, 1, 0, 1, 1, 0, 0])
        #expect(try file.tensor(named: "lengths")?.values == [3, 2])
        #expect(try file.tensor(named: "labels")?.values == [0, 1])
        #expect(try file.tensor(named: "features")?.values.prefix(9) == [10, 11, 12, 13, 14, 15, 16, 17, 18])
        #expect(file.metadata["classes"] == #"["it's \"odd\" ✓","run"]"#)
        #expect(file.metadata["paths"] == #"["a.mp4","b.mp4"]"#)
    }

    @Test(
        "numpy.load reads a .npz with all its arrays", .enabled(if: python != nil, "needs python3 with NumPy"),
        arguments: StoredType.allCases)
    func npz(_ type: StoredType) throws {
        let (path, _) = try export(.npz, as: type)
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(size > 24 * type.bytes)
        let code = """
            import numpy as np, sys
            z = np.load(\(String(reflecting: path)))
            print(sorted(z.files), z['features'].shape, z['features'].dtype, z['features'][0, 2].tolist(),
                z['mask'].dtype,
              z['mask'].sum(), z['lengths'].tolist(), z['labels'].tolist(), z['classes'].tolist(), z['paths'].tolist(),
              z['splits'].tolist(), z['times'][0, 1], np.isnan(z['times'][1, 3]), z['indices'].tolist())
            """
        let answer = try ChildProcess.run(try #require(Self.python), ["-c", code])
        #expect(
            answer.out == """
                ['classes', 'features', 'groups', 'indices', 'labels', 'lengths', 'mask', 'paths', 'splits', 'times'] \
                (2, 4, 3) \(type.rawValue) [16.0, 17.0, 18.0] bool 5 [3, 2] [0, 1] ['it\\'s "odd" ✓', 'run'] \
                ['a.mp4', 'b.mp4'] ['test', 'train'] 0.2 True [[0, 5, 10, -1], [0, 5, -1, -1]]

                """, "\(answer.error)")
    }

    /// Three clips with two labels, one, and none.
    private func severalLabels() throws -> (cache: CacheFile, extraction: Int64) {
        let cache = try CacheFile(path: scratch.path + "/several.sqlite")
        let id = try cache.addExtraction(Example.extraction())
        for (index, label) in [#"["jump","run"]"#, #"["it's \"odd\" ✓"]"#, "[]"].enumerated() {
            let video = Example.video("\(index).mp4")
            try cache.register(video, label: label, split: index == 2 ? "test" : "train")
            try cache.store(Example.sequence(), video: video, extraction: id, maxFrames: 4, featureSize: 3)
        }
        return (cache, id)
    }

    @Test("several labels a clip are exported as a matrix of 0 and 1, with the same classes for every split")
    func matrix() throws {
        let (cache, extraction) = try severalLabels()
        let classes = #"["it's \"odd\" ✓","jump","run"]"#
        for (split, expected) in [(nil, [0, 1, 1, 1, 0, 0, 0, 0, 0]), ("test", [0, 0, 0])] as [(String?, [Float])] {
            let path = scratch.path + "/out.safetensors"
            let export = CacheExport(extraction: extraction, dataset: "demo", split: split)
            let count = try export.write(.safetensors, from: cache, to: path)
            let file = try SafeTensorsFile(path: path)
            #expect(file.shapes["labels"] == [count, 3])
            #expect(try file.tensor(named: "labels")?.values == expected)
            #expect(file.metadata["classes"] == classes)
            let table = try ExportTable(export, cache)
            #expect(table.labels.shape == [count, 3] && table.labels.numpyType == "|u1")
            #expect(Array(table.labels.data) == expected.map { UInt8($0) })
        }
        let path = scratch.path + "/out.npz"
        _ = try CacheExport(extraction: extraction, dataset: "demo").write(.npz, from: cache, to: path)
        // Arrays are stored without compression.
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = NumPyHeader.data("|u1", [3, 3])
        let begin = try #require(data.range(of: header)).upperBound
        #expect(Array(data[begin..<begin + 9]) == [0, 1, 1, 1, 0, 0, 0, 0, 0])
    }

    @Test("clips that all have no label are exported as a matrix without columns") func noLabels() throws {
        let cache = try CacheFile(path: scratch.path + "/none.sqlite")
        let id = try cache.addExtraction(Example.extraction())
        try cache.register(Example.video("a.mp4"), label: "[]")
        try cache.store(Example.sequence(), video: Example.video("a.mp4"), extraction: id, maxFrames: 4, featureSize: 3)
        let table = try ExportTable(CacheExport(extraction: id, dataset: "demo"), cache)
        #expect(table.labels.shape == [1, 0] && table.labels.data.isEmpty && table.classes.isEmpty)
        for format in CacheExport.Format.allCases {
            let path = "\(scratch.path)/none.\(format.rawValue)"
            #expect(try CacheExport(extraction: id, dataset: "demo").write(format, from: cache, to: path) == 1)
        }
    }

    @Test("one split can be exported alone; a split without features is an error that leaves no file") func split()
        throws
    {
        #expect(try export(.npy, split: "train").count == 1)
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        let path = scratch.path + "/none.npz"
        #expect(throws: ExportError.nothing(dataset: "demo", split: "validation")) {
            try CacheExport(extraction: 1, dataset: "demo", split: "validation").write(.npz, from: cache, to: path)
        }
        #expect(throws: ExportError.self) {
            try CacheExport(extraction: 1, dataset: "demo").write(
                .npz, from: cache, to: scratch.path + "/no/such/x.npz")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
        #expect(left.filter { !$0.hasPrefix("cache.sqlite") } == ["out.npy"])
    }

    @Test("any table or view can be exported as CSV: quotes, rows, features as lists, selected rows") func csv() throws
    {
        let (cache, _) = try Example.cache(in: scratch)
        let path = scratch.path + "/out.csv"
        #expect(try cache.exportTable("sample", to: path) == 2)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text == "dataset,video_id,label,split,group\r\ndemo,1,run,train,\r\ndemo,2,\"it's \"\"odd\"\" ✓\",test,\r\n"
        )
        #expect(try cache.exportTable("coverage", where: ["split": "test"], to: path) == 1)
        #expect(try cache.exportTable("frame_feature", where: ["extraction": "tiny"], to: path) == 5)
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("\"[13.0,14.0,15.0]\""))
        #expect(throws: ExportError.self) { try cache.exportTable("nothing", to: path) }
        #expect(throws: ExportError.noColumn("split", table: "video")) {
            try cache.exportTable("video", where: ["split": "x"], to: path)
        }
        #expect(throws: ExportError.self) { try cache.exportTable("sample\"; DROP TABLE sample; --", to: path) }
    }
}
