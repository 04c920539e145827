import Foundation
import TestSupport
import Testing

/// `--device cuda` with a simulated ONNX Runtime and GPU, whose features are increasing values from a frame's mean
/// byte.
@Suite struct DeviceCommandTests {
    private static let place = FileManager.default.temporaryDirectory.appending(path: "fake-runtime-\(getpid())").path

    /// The simulated library, built once, and links with the names of CUDA's driver and compiler libraries.
    private static let folder = Result {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: DeviceCommandTests.place) }
        let folder = place
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let source = tests.appending(path: "FakeRuntime.c").path
        let header = tests.appending(path: "../../Sources/CONNXRuntime").standardizedFileURL.path
        let built = try ChildProcess.run(
            "clang", ["-shared", "-fPIC", "-O1", "-I", header, source, "-o", folder + "/libonnxruntime.so.1"])
        try #require(built.status == 0, "\(built.error)")
        for name in ["libcuda.so.1", "libnvrtc.so.13"] {
            try? FileManager.default.createSymbolicLink(
                atPath: folder + "/" + name, withDestinationPath: "libonnxruntime.so.1")
        }
        return folder
    }

    private static func environment(_ gpu: String) throws -> [String: String] {
        let folder = try folder.get()
        return ["ZOETROPE_TUNING": "off", "ZOETROPE_ONNXRUNTIME": folder, "LD_LIBRARY_PATH": folder, "FAKE_GPU": gpu]
    }

    @discardableResult private static func extract(
        _ place: Workplace, _ arguments: String..., gpu: String = "", status: Int32? = nil, out: String...,
        error: String..., absent: String..., location: SourceLocation = #_sourceLocation
    ) throws -> ChildProcess.Output {
        try place.run(["extract", "p.yaml", "--device", "cuda"] + arguments, environment: environment(gpu))
            .check(status, out, error, absent, "\(arguments)", location)
    }

    @Test("frames of all clips are batched for the GPU, and each feature is stored for its own clip") func features()
        throws
    {
        let place = try Workplace()
        try Self.extract(
            place, status: 0, out: "Extracted 8 videos (32 frames)",
            error: "resnet18 runs on the GPU with batches of 128")
        // The first two elements of each frame's feature: its mean, and one more.
        let features: [Data] = try place.query(
            "SELECT substr(feature, 1, 8) FROM frame_feature ORDER BY path, position")
        let rows = features.map { data in data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } }
        #expect(rows.count == 32 && rows.allSatisfy { abs($0[1] - $0[0] - 1) < 1e-3 })
        #expect(Set(rows.map { $0[0] }).count > 8)
        // Extracting one clip at a time gives the same.
        let other = try Workplace()
        try Self.extract(other, "--workers", "1", status: 0)
        #expect(try other.query("SELECT substr(feature, 1, 8) FROM frame_feature ORDER BY path, position") == features)
    }

    @Test("features in f32 equal those of the CPU on any device") func shared() throws {
        let place = try Workplace()
        try Self.extract(place, status: 0)
        try place.run("extract", "p.yaml", out: "Extracted 0 videos", "8 skipped")
        try Self.extract(place, "--set", "extract.precision=f16", out: "Extracted 8 videos")
        #expect(try place.query("SELECT precision FROM extraction ORDER BY id") == ["f32", "f16"])
        // Without a GPU, f16 is unavailable, and the error says so.
        let other = try Workplace()
        try other.run(
            "extract", "p.yaml", "--set", "extract.precision=f16", status: 0,
            error: "no instructions for f16; resnet18 computes in f32")
        try Self.extract(
            other, "--set", "extract.precision=int8",
            error: "int8 needs a processor; on the GPU resnet18 computes in f32")
    }

    @Test("without a library or a GPU, `cuda` is an error that names what is missing, and `auto` uses the CPU")
    func missing() throws {
        let place = try Workplace()
        try Self.extract(
            place, gpu: "none", status: 1,
            error: "finds no GPU that it can use: CUDA failure 100: no CUDA-capable device is detected. ",
            "--device cpu")
        var nowhere = try Self.environment("")
        nowhere["ZOETROPE_ONNXRUNTIME"] = place.path + "/none.so"
        try place.run(
            ["extract", "p.yaml", "--device", "cuda"], environment: nowhere, status: 1,
            error: "ONNX Runtime cannot be loaded")
        try place.run(
            ["extract", "p.yaml", "--device", "auto"], environment: nowhere, status: 0, out: "Extracted 8 videos")
        try place.run("extract", "p.yaml", "--device", "tpu", status: 64, error: "cuda")
    }

    @Test("if the GPU runs out of memory, batches become smaller; if one frame does not fit, an error says so")
    func small() throws {
        let place = try Workplace()
        try Self.extract(place, gpu: "small:20", status: 0, error: "with batches of 16")
        try Self.extract(
            Workplace(), gpu: "small:0", status: 1, error: "The GPU's memory is full",
            "Available memory of 7 is smaller than requested bytes of 8. ")
    }

    @Test("half precision uses the program's own operators, or ONNX Runtime's for layers that they do not support")
    func forms() throws {
        let place = try Workplace()
        let half = "extract.precision=f16"
        try Self.extract(place, "--set", half, gpu: "new", status: 0, out: "Extracted 8 videos")
        try Self.extract(place, gpu: "new", status: 1, error: "an operator is too slow")
        let other = try Workplace()
        try Self.extract(other, "--set", half, gpu: "old", status: 0, out: "Extracted 8 videos")
        #expect(try other.query("SELECT precision FROM extraction") == ["f16"])
    }

    @Test("if the GPU fails, no work is lost and the CPU continues") func lost() throws {
        let place = try Workplace()
        try Self.extract(
            place, "--workers", "1", gpu: "lost:4", status: 1,
            error: "The GPU failed: CUDA failure 719: unspecified launch failure. Extracted features")
        let kept: [Int] = try place.query("SELECT count(*) FROM sequence")
        #expect(kept[0] < 8)
        try place.run("extract", "p.yaml", out: "Extracted \(8 - kept[0]) videos")
        #expect(try place.query("SELECT count(*) FROM failure") == [0])
    }

    @Test("--check on a GPU compares its precisions") func check() throws {
        let place = try Workplace()
        try Self.extract(place, "--check", status: 0, out: "tf32", "f16", "bf16", "frames/s", absent: "a core")
    }

    @Test("bf16 is not tried again on a GPU without it, by --check or by the search for the fastest")
    func older() throws {
        let place = try Workplace()
        try Self.extract(
            place, "--check", gpu: "turing", status: 0,
            out: "bf16: this GPU, or ONNX Runtime on it, does not support it for this backbone.", "tf32 is ", "f16 is ")
        let fastest = try Self.extract(
            place, "--set", "extract.precision=fastest", gpu: "turing", status: 0, out: "Extracted 8 videos",
            error: "precision: fastest chose f16")
        #expect(!fastest.error.contains("bf16"), "\(fastest.error)")
        let chosen: [String] = try place.query("SELECT precision FROM extraction")
        #expect(chosen.count == 1 && fastest.error.contains("fastest chose \(chosen[0]) for resnet18"), "\(chosen)")
        try place.run("sequence", "p.yaml", "--set", "extract.precision=fastest", status: 0)
        try Self.extract(
            place, "--set", "extract.precision=bf16", gpu: "turing", status: 1, error: "Choose another `precision`")
    }
}
