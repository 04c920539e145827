import CFFmpeg
import Foundation
import TestSupport
import Testing
@testable import Video

/// Containers × codecs as `Tests/Parity/video_matrix.py` writes them: the small ones are fixtures; all of them if
/// `ZOETROPE_MATRIX` names their folder.
struct MatrixEntry: Decodable, CustomTestStringConvertible, Sendable {
    let name: String
    /// A tick of the stream's time base in seconds.
    let tick: Double
    /// Times in seconds from PyAV, in order of presentation.
    let times: [Double]
    var testDescription: String { name }

    static let folder =
        ProcessInfo.processInfo.environment["ZOETROPE_MATRIX"]
        ?? Bundle.module.url(forResource: "Fixtures/matrix", withExtension: nil)?.path ?? ""
    static let all: [MatrixEntry] = {
        let data = FileManager.default.contents(atPath: folder + "/matrix.json") ?? Data("[]".utf8)
        return (try? JSONDecoder().decode([MatrixEntry].self, from: data)) ?? []
    }()
    var path: String { Self.folder + "/" + name }
}

@Suite struct VideoMatrixTests {
    static let samplings: [(name: String, sampling: Sampling)] = [
        ("first", .first(frames: 7)), ("uniform", .uniform(frames: 5)),
        ("stride", .stride(every: 9, start: .at(4), frames: 3)), ("rate", .rate(framesPerSecond: 7, frames: 100)),
        ("windows", .windows(WindowSampling(length: 4, stride: 6, framesPerSecond: 12.5, windows: 4))),
    ]

    @Test("the matrix has at least 60 combinations, with 12 containers and 30 codecs among them") func extent() {
        let names = MatrixEntry.all.map { $0.name.split(separator: ".") }
        #expect(names.count >= 60)
        #expect(Set(names.compactMap(\.last)).count >= 12)
        #expect(Set(names.compactMap(\.first)).count >= 30)
    }

    @Test("frames and times equal PyAV's, within half a tick", arguments: MatrixEntry.all)
    func times(entry: MatrixEntry) throws {
        let information = try VideoReader(path: entry.path).information
        #expect(information.frameCount == entry.times.count)
        let differences = zip(information.frameTimes, entry.times).map { abs($0 - $1) }
        #expect((differences.max() ?? 0) <= entry.tick / 2, "\(information.frameTimes) \(entry.times)")
        #expect(zip(information.clock, information.clock.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(information.clock.count == entry.times.count)
    }

    @Test(
        "pixels are bit-identical to the ffmpeg command's",
        .enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale"), arguments: MatrixEntry.all)
    func pixels(entry: MatrixEntry) throws {
        let frames = try VideoReader(path: entry.path).sample(.first(frames: 1000), framing: .full).frames
        let scratch = ScratchFolder()
        let theirs = try FFmpegCommand.pixels(
            of: entry.path, frames: 1000, ["-sws_flags", FFmpegCommandTests.flags], scratch)
        // Compared with `==` only: #expect would print every pixel.
        let isSame = frames.flatMap(\.pixels) == theirs
        #expect(isSame)
    }

    @Test("random access gives frames that are bit-identical to sequential decoding", arguments: MatrixEntry.all)
    func randomAccess(entry: MatrixEntry) throws {
        let (all, errors) = try sequential(entry.path)
        for (name, sampling) in Self.samplings {
            let request = SampleRequest(sampling, framing: .full)
            let reader = try VideoReader(path: entry.path)
            let wanted = request.indices(clock: reader.information.clock)
            let sampled = try reader.sample([request])[0]
            #expect(sampled.frames.map(\.index) == wanted, "\(name)")
            #expect(sampled.frames.map(\.pixels) == wanted.map { all[$0] }, "\(name)")
            #expect(sampled.decodeErrors <= errors, "\(name)")
            var streamed: [VideoFrame] = []
            try reader.forEachFrame(request) { streamed.append($0) }
            #expect(streamed == sampled.frames, "\(name)")
        }
    }

    @Test("a single frame, anywhere in the video, equals that of sequential decoding", arguments: MatrixEntry.all)
    func single(entry: MatrixEntry) throws {
        let (all, _) = try sequential(entry.path)
        for index in stride(from: 0, to: all.count, by: 3) {
            let sampling = Sampling.stride(every: 1, start: .at(index), frames: 1)
            let frames = try VideoReader(path: entry.path).sample(sampling, framing: .full).frames
            #expect(frames.map(\.pixels) == [all[index]], "frame \(index)")
        }
    }

    @Test(
        "the table of containers, codecs and samplings is written",
        .enabled(if: ProcessInfo.processInfo.environment["ZOETROPE_MATRIX"] != nil, "needs ZOETROPE_MATRIX"))
    func table() throws {
        var rows = [
            "| codec | container | frames | times | " + Self.samplings.map(\.name).joined(separator: " | ") + " |"
        ]
        for entry in MatrixEntry.all {
            let (all, _) = try sequential(entry.path)
            let clock = try VideoReader(path: entry.path).information.clock
            let times = try VideoReader(path: entry.path).information.frameTimes
            let isSame =
                times.count == entry.times.count
                && zip(times, entry.times).allSatisfy { abs($0 - $1) <= entry.tick / 2 }
            let samplings = try Self.samplings.map { _, sampling in
                let request = SampleRequest(sampling, framing: .full)
                let frames = try VideoReader(path: entry.path).sample([request])[0].frames
                return frames.map(\.pixels) == request.indices(clock: clock).map { all[$0] }
            }
            let name = entry.name.split(separator: ".").joined(separator: " | ")
            rows.append(
                "| \(name) | \(times.count) | "
                    + ([isSame] + samplings).map { $0 ? "equal" : "DIFFERENT" }.joined(separator: " | ") + " |")
        }
        print(rows.joined(separator: "\n"))
        #expect(!rows.contains { $0.contains("DIFFERENT") })
    }

    /// All frames, decoded sequentially without an index.
    private func sequential(_ path: String) throws -> (frames: [[UInt8]], errors: Int) {
        let file = try InputFile(path: path)
        let scaler = FrameScaler(path: path, framing: .full, aspect: .stored, container: DisplayGeometry(file.stream))
        var frames: [[UInt8]] = []
        let pass = try DecodingPass(file, frames: 1000)
        try pass.run { frame in
            frames.append(try scaler.frame(frame, index: frames.count, time: 0).pixels)
            return .proceed
        }
        return (frames, pass.errors)
    }
}
