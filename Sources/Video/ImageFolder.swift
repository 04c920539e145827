import Escaping
import Files
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
        var frames = requests.map { _ in [VideoFrame]() }
        var errors = requests.map { _ in 0 }
        try forEachFile(requests) { wanting, images in
            for (request, image) in zip(wanting, images ?? []) { frames[request].append(image) }
            if images == nil { for request in wanting { errors[request] += 1 } }
        }
        guard frames.allSatisfy({ !$0.isEmpty }) else { throw VideoError.noFrames(path: path) }
        return zip(frames, errors).map { SampledFrames(frames: $0, decodeErrors: $1) }
    }

    package func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
        var errors = 0
        try forEachFile(requests) { wanting, images in
            if images == nil { errors += 1 }
            for (request, image) in zip(wanting, images ?? []) { try body(request, image) }
        }
        return errors
    }

    /// Passes the indices of the requests that want a file, and its image for each of them, or nil if it is unreadable.
    private func forEachFile(_ requests: [SampleRequest], _ body: ([Int], [VideoFrame]?) throws -> Void) throws {
        let wanted = try requests.map { Set(try indices($0)) }
        for index in Set(wanted.joined()).sorted() {
            let wanting = requests.indices.filter { wanted[$0].contains(index) }
            try body(wanting, try? images(at: index, wanting.map { requests[$0] }))
        }
    }

    private func images(at index: Int, _ requests: [SampleRequest]) throws -> [VideoFrame] {
        let alone = requests.map { SampleRequest(.first(frames: 1), framing: $0.framing, aspect: $0.aspect) }
        return try VideoReader(path: files[index], limits: limits, isFrame: true).sample(alone).flatMap(\.frames).map {
            VideoFrame(
                index: index, time: information.frameTimes[index], width: $0.width, height: $0.height, pixels: $0.pixels
            )
        }
    }
}

extension ImageFolder {
    private static let endings: Set<String> = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm"]

    package static func isImage(_ name: String) -> Bool {
        !name.hasBytePrefix(".") && endings.contains(name.fileExtension.lowercased())
    }
}

extension VideoReader {
    private static let endings: Set<String> = [
        "3gp", "asf", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts",
        "vob", "webm", "wmv", "y4m",
    ]

    /// Whether the name has a common video extension, so that the file is taken for a video without reading it.
    package static func isVideo(_ name: String) -> Bool { endings.contains(name.fileExtension.lowercased()) }
}

package struct ImageFolderContents: Sendable {
    private let path: String
    private let unordered: [String]
    package let others: [FolderEntry]

    /// Reads the folder, and the first bytes of files whose extensions are unknown. Throws `VideoError.unreadable`.
    package init(_ path: String) throws(VideoError) {
        do throws(FileError) {
            self.init(try FolderEntry.entries(of: path), in: path)
        } catch { throw .unreadable(path: path, reason: error.reason) }
    }

    /// Classifies the entries of the folder `path`, which are in file-system order.
    package init(_ entries: [FolderEntry], in path: String) {
        var (images, others) = ([String](), [FolderEntry]())
        for entry in entries {
            if entry.isUTF8, entry.kind == .file, Self.isImage(entry.name, in: path) {
                images.append(entry.name)
            } else {
                others.append(entry)
            }
        }
        (self.path, unordered, self.others) = (path, images, others)
    }

    package var hasImages: Bool { !unordered.isEmpty }

    /// Names of the images in natural order (`rgb2.png` before `rgb10.png`). Sorted on each access.
    package var images: [String] { unordered.sorted { $0.compare($1, options: .numeric) == .orderedAscending } }

    private static func isImage(_ name: String, in folder: String) -> Bool {
        if ImageFolder.isImage(name) { return true }
        if VideoReader.isVideo(name) { return false }
        return (try? FileContent.of(folder + "/" + name)) == .image
    }

    /// The content of a folder without images, for messages, such as `the videos a.mp4, b.mp4`.
    package var summary: String {
        let files = others.filter { $0.kind == .file }
        let groups: [(one: String, many: String, entries: [FolderEntry])] = [
            ("the video", "the videos", files.filter { VideoReader.isVideo($0.name) }),
            ("the video", "the videos", files.prefix(Self.mostProbed).filter(isVideo)),
            ("the folder", "the folders", others.filter { $0.kind == .folder }),
            ("the file", "the files", files), ("the entry", "the entries", others),
        ]
        guard let found = groups.first(where: { !$0.entries.isEmpty }) else { return "nothing" }
        let names = found.entries.map { entry in
            if case .special(let kind) = entry.kind { "\(entry.name) (\(kind))" } else { entry.name }
        }.sorted()
        let shown = names.prefix(3).joined(separator: ", ")
        return "\(names.count == 1 ? found.one : found.many) \(shown)"
            + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }

    /// Maximum number of files that are read for a message.
    private static let mostProbed = 20

    private func isVideo(_ entry: FolderEntry) -> Bool {
        entry.isUTF8 && (try? FileContent.of(path + "/" + entry.name)) == .video
    }
}
