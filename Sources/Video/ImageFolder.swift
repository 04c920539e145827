import Foundation

/// A folder whose images, in natural order of their names (`rgb2.png` before `rgb10.png`), are the frames of a clip.
/// The frame rate is unknown; 25 frames per second are assumed, as in FFmpeg.
package struct ImageFolder: ClipReader {
    package let path: String
    /// Size of the first readable image; times at 25 images per second.
    package let information: VideoInformation
    private let files: [String]
    package let limits: DecodingLimits

    private static let frameRate = 25.0

    /// The folder's images in frame order: regular files with an image extension, and others whose content is an image.
    package static func images(in path: String) throws -> [String] {
        try ImageFolderContents(path).images.map { path + "/" + $0 }
    }

    /// - Throws: `VideoError` if the folder cannot be read or contains no readable image.
    package init(path: String, limits: DecodingLimits = .standard) throws {
        self.limits = limits
        let contents = try ImageFolderContents(path)
        let files = contents.images.map { path + "/" + $0 }
        guard !files.isEmpty else { throw VideoError.noImages(path: path, holds: contents.summary) }
        let image = try Self.firstReadable(files, limits)
        (self.path, self.files) = (path, files)
        let times = files.indices.map { Double($0) / Self.frameRate }
        information = VideoInformation(
            width: image.width, height: image.height, pixelAspect: image.pixelAspect, frameCount: files.count,
            frameRate: Self.frameRate, duration: Double(files.count) / Self.frameRate, codec: image.codec,
            frameTimes: times, clock: times)
    }

    /// Properties of the first readable image; if there is none, throws the error of the first image.
    private static func firstReadable(_ files: [String], _ limits: DecodingLimits) throws -> VideoInformation {
        var first: (any Error)?
        for file in files {
            do {
                return try VideoReader(path: file, limits: limits).information
            } catch { first = first ?? error }
        }
        throw first ?? VideoError.noFrames(path: files.first ?? "")
    }

    /// Unreadable images are omitted and counted as decode errors.
    package func sample(_ requests: [SampleRequest]) throws -> [SampledFrames] {
        let wanted = try requests.map { try indices($0) }
        var frames = requests.map { _ in [VideoFrame]() }
        var errors = requests.map { _ in 0 }
        for index in Set(wanted.joined()).sorted() {
            let wanting = requests.indices.filter { wanted[$0].contains(index) }
            let images = try? VideoReader(path: files[index], limits: limits, isFrame: true).sample(
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

    package func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
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

    private func images(at index: Int, _ requests: [SampleRequest]) throws -> [VideoFrame] {
        try VideoReader(path: files[index], limits: limits, isFrame: true).sample(requests.map(Self.request))
            .flatMap(\.frames).map {
                VideoFrame(
                    index: index, time: information.frameTimes[index], width: $0.width, height: $0.height,
                    pixels: $0.pixels)
            }
    }
}
