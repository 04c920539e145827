import CFFmpeg
import Foundation
import TestSupport
import Testing

@testable import Video

/// Decoded pixels beside the ffmpeg command's, with the flags of the README.
@Suite(.enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale")) struct FFmpegCommandTests {
    static let flags = "bilinear+accurate_rnd+full_chroma_int"

    /// A movie of coloured edges, and real clips if they are there.
    static let movies = ["generated"] + ClipTests.goldens.map(\.name).filter { _ in SampleClips.arePresent }

    private func path(_ name: String, in scratch: ScratchFolder) throws -> String {
        guard name == "generated" else { return SampleClips.folder + "/" + name }
        let path = scratch.path + "/movie.mp4"
        try TestMovie.write(to: path, width: 66, height: 50)
        return path
    }

    @Test("pixels equal those of ffmpeg -pix_fmt rgb24 with the README's flags", arguments: movies)
    func exact(name: String) throws {
        let scratch = ScratchFolder()
        let path = try path(name, in: scratch)
        let frames = try VideoReader(path: path).sample(.first(frames: 8), seed: 0, framing: .full).frames
        let pixels = frames.flatMap(\.pixels)
        let exact = try FFmpegCommand.pixels(of: path, frames: frames.count, ["-sws_flags", Self.flags], scratch)
        #expect(pixels.count == exact.count && pixels == exact)
    }

    @Test(
        "without these flags ffmpeg's pixels differ by a level or more on average, as the README says",
        arguments: movies)
    func plain(name: String) throws {
        let scratch = ScratchFolder()
        let path = try path(name, in: scratch)
        let exact = try FFmpegCommand.pixels(of: path, frames: 8, ["-sws_flags", Self.flags], scratch)
        let plain = try FFmpegCommand.pixels(of: path, frames: 8, [], scratch)
        try #require(exact.count == plain.count && !exact.isEmpty)
        let difference = zip(exact, plain).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        let mean = Double(difference) / Double(exact.count)
        #expect((0.3...6).contains(mean), "\(mean)")
    }
}

enum FFmpegCommand {
    /// Whether it is there, with the libswscale that this program uses.
    static let isSame: Bool = {
        guard let said = try? ChildProcess.run("ffmpeg", ["-version"]).out else { return false }
        let version = said.firstMatch(of: /libswscale +(\d+)\. *(\d+)\./).flatMap { match in
            Int(match.1).flatMap { major in Int(match.2).map { (major, $0) } }
        }
        let own = Int(swscale_version())
        return version.map { $0 == (own >> 16, own >> 8 & 255) } ?? false
    }()

    /// The first frames as RGB, one after the other.
    static func pixels(of path: String, frames: Int, _ options: [String], _ scratch: ScratchFolder) throws -> [UInt8] {
        let output = scratch.path + "/frames.rgb"
        let end = ["-frames:v", "\(frames)", "-f", "rawvideo", "-pix_fmt", "rgb24", output]
        let run = try ChildProcess.run(
            "ffmpeg",
            ["-nostdin", "-v", "error", "-y", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough"] + options + end)
        #expect(run.status == 0, "\(run.error)")
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: output)))
    }
}
