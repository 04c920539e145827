import Escaping
import Foundation

/// `<root>/<label>/<video>` or `<root>/<train|validation|val|test>/<label>/<video>`. A folder that holds
/// only images is one clip.
struct FolderLayout {
    let root: String

    private static let splitNames: [String: Split] = [
        "train": .train, "validation": .validation, "val": .validation, "test": .test,
    ]
    private static let videoEndings: Set<String> = [
        "3gp", "asf", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts",
        "vob", "webm", "wmv", "y4m",
    ]
    private static let imageEndings: Set<String> = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm"]

    func clips() throws -> [Clip] {
        let folders = try Self.entries(of: root).filter(\.isFolder)
        let splits = folders.filter { Self.splitNames[$0.name.lowercased()] != nil }
        var clips: [Clip] = []
        if !splits.isEmpty && splits.count == folders.count {
            for split in splits {
                for label in try Self.entries(of: split.path).filter(\.isFolder) {
                    clips += try self.clips(of: label, under: split.name, Self.splitNames[split.name.lowercased()]!)
                }
            }
        } else {
            for label in folders { clips += try self.clips(of: label, under: nil, .train) }
        }
        if clips.isEmpty { throw DatasetError.noVideos(root) }
        return clips
    }

    private func clips(of label: Entry, under folder: String?, _ split: Split) throws -> [Clip] {
        try Self.entries(of: label.path).filter { try Self.isClip($0) }.map { entry in
            let path = ([folder, label.name, entry.name].compactMap { $0 }).joined(separator: "/")
            return Clip(path: path, label: label.name, split: split)
        }
    }

    private static func isClip(_ entry: Entry) throws -> Bool {
        guard entry.isFolder else { return videoEndings.contains(ending(entry.name)) }
        let files = try entries(of: entry.path)
        return !files.isEmpty && files.allSatisfy { !$0.isFolder && imageEndings.contains(ending($0.name)) }
    }

    private static func ending(_ name: String) -> String { (name as NSString).pathExtension.lowercased() }

    private struct Entry {
        let name: String
        let path: String
        let isFolder: Bool
    }

    /// Visible entries of a folder, sorted by name.
    private static func entries(of path: String) throws -> [Entry] {
        try names(in: path).map { name in
            Entry(name: name, path: path + "/" + name, isFolder: isFolder(path + "/" + name))
        }
    }

    /// Names of the visible entries of a folder, sorted.
    ///
    /// - Throws: `DatasetError.missingFolder`.
    static func names(in path: String) throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw DatasetError.missingFolder(path)
        }
        return names.filter { !$0.hasBytePrefix(".") }.sorted()
    }

    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}
