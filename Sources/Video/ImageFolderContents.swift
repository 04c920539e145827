import Escaping
import Files
import Foundation

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
