import CFFmpeg
import Escaping
import Foundation

/// A folder whose images, in natural order of their names, are the frames of a clip (`rgb2.png` before
/// `rgb10.png`). Nothing says how fast they follow each other; 25 a second is assumed, as FFmpeg does.
public struct ImageFolder: ClipReader {
    /// The folder.
    public let path: String
    /// Size of the first image; times at 25 images a second.
    public let information: VideoInformation
    private let files: [String]
    /// What each image may cost.
    public let limits: DecodingLimits

    private static let endings: Set<String> = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm"]
    private static let frameRate = 25.0

    /// Whether the name is that of a picture.
    public static func isImage(_ name: String) -> Bool {
        !name.hasBytePrefix(".") && endings.contains((name as NSString).pathExtension.lowercased())
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
    public init(path: String, limits: DecodingLimits = .standard) throws {
        self.limits = limits
        let files = try Self.images(in: path)
        guard let first = files.first else { throw VideoError.noFrames(path: path) }
        let picture = try VideoReader(path: first, limits: limits).information
        self.path = path
        self.files = files
        let times = files.indices.map { Double($0) / Self.frameRate }
        information = VideoInformation(
            width: picture.width, height: picture.height, pixelAspect: picture.pixelAspect, frameCount: files.count,
            frameRate: Self.frameRate,
            duration: Double(files.count) / Self.frameRate, codec: picture.codec,
            frameTimes: times, clock: times)
    }

    /// Unreadable images are counted as decode errors and left out.
    public func sample(_ requests: [SampleRequest]) throws -> [SampledFrames] {
        let wanted = try requests.map { try indices($0) }
        var frames = requests.map { _ in [VideoFrame]() }
        var errors = requests.map { _ in 0 }
        for index in Set(wanted.joined()).sorted() {
            let wanting = requests.indices.filter { wanted[$0].contains(index) }
            let images = try? VideoReader(path: files[index], limits: limits).sample(
                wanting.map { Self.request(requests[$0]) })
            for (request, image) in zip(wanting, images ?? []) {
                frames[request] += image.frames.map {
                    VideoFrame(
                        index: index, time: information.frameTimes[index], width: $0.width, height: $0.height,
                        pixels: $0.pixels)
                }
            }
            if images == nil { for request in wanting { errors[request] += 1 } }
        }
        guard frames.allSatisfy({ !$0.isEmpty }) else { throw VideoError.noFrames(path: path) }
        return zip(frames, errors).map { SampledFrames(frames: $0, decodeErrors: $1) }
    }

    /// Unreadable images are counted as decode errors and left out.
    public func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
        let wanted = try requests.map { Set(try indices($0)) }
        var errors = 0
        for index in Set(wanted.joined()).sorted() {
            let wanting = requests.indices.filter { wanted[$0].contains(index) }
            guard let images = try? images(at: index, wanting.map { requests[$0] }) else {
                errors += 1
                continue
            }
            for (request, image) in zip(wanting, images) { try body(request, image) }
        }
        return errors
    }

    private static func request(_ request: SampleRequest) -> SampleRequest {
        SampleRequest(.first(frames: 1), framing: request.framing, aspect: request.aspect)
    }

    /// One image, cut out in several ways.
    private func images(at index: Int, _ requests: [SampleRequest]) throws -> [VideoFrame] {
        try VideoReader(path: files[index], limits: limits).sample(requests.map(Self.request))
            .flatMap(\.frames).map {
                VideoFrame(
                    index: index, time: information.frameTimes[index], width: $0.width, height: $0.height,
                    pixels: $0.pixels)
            }
    }
}
