import CFFmpeg
import Foundation

/// A folder whose images, in natural order of their names, are the frames of a clip (`rgb2.png` before
/// `rgb10.png`). Nothing says how fast they follow each other; 25 a second is assumed, as FFmpeg does.
public struct ImageFolder: ClipReader {
    /// The folder.
    public let path: String
    /// Size of the first image; times at 25 images a second.
    public let information: VideoInformation
    private let files: [String]

    private static let endings: Set<String> = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm"]
    private static let frameRate = 25.0

    /// Whether the name is that of a picture.
    public static func isImage(_ name: String) -> Bool {
        !name.hasPrefix(".") && endings.contains((name as NSString).pathExtension.lowercased())
    }

    /// The folder's images, in the order of their frames.
    ///
    /// - Throws: `VideoError.unreadable`.
    public static func images(in path: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).filter(isImage)
                .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
                .map { path + "/" + $0 }
        } catch {
            throw VideoError.unreadable(path: path, reason: error.localizedDescription)
        }
    }

    /// - Throws: `VideoError` where the folder cannot be read or holds no image.
    public init(path: String) throws {
        let files = try Self.images(in: path)
        guard let first = files.first else { throw VideoError.noFrames(path: path) }
        let picture = try VideoReader(path: first).information
        self.path = path
        self.files = files
        information = VideoInformation(
            width: picture.width, height: picture.height, frameCount: files.count, frameRate: Self.frameRate,
            duration: Double(files.count) / Self.frameRate, codec: picture.codec,
            frameTimes: files.indices.map { Double($0) / Self.frameRate })
    }

    /// Unreadable images are counted as decode errors and left out.
    public func sample(_ sampling: Sampling, seed: UInt64, framing: Framing) throws -> SampledFrames {
        var frames: [VideoFrame] = []
        var errors = 0
        for index in sampling.indices(times: information.frameTimes, seed: seed) {
            do {
                let image = try VideoReader(path: files[index]).sample(.first(frames: 1), seed: 0, framing: framing)
                guard let frame = image.frames.first else { throw VideoError.noFrames(path: files[index]) }
                frames.append(
                    VideoFrame(
                        index: index, time: information.frameTimes[index], width: frame.width, height: frame.height,
                        pixels: frame.pixels))
            } catch is VideoError {
                errors += 1
            }
        }
        guard !frames.isEmpty else { throw VideoError.noFrames(path: path) }
        return SampledFrames(frames: frames, decodeErrors: errors)
    }
}
