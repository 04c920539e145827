import Escaping
import Files
import Foundation
import Video

/// Finds the clips that a list names below the root, also if folders are spelled otherwise there, or files have another ending.
struct FileFinder {
    let root: String
    /// Whether file names are the same that differ only in case and in characters that are neither letters nor digits. Identifiers of
    /// YouTube are not.
    private let isLenient: Bool
    /// Contents of folders that were looked into.
    private var folders: [String: Folder] = [:]

    /// What is in a folder, by bytes and by what a name is compared by.
    private struct Folder {
        var names: Set<[UInt8]> = []
        var folders: [String: [String]] = [:]
        var clips: [String: [String]] = [:]
    }

    init(root: String, isLenient: Bool = false) { (self.root, self.isLenient) = (root, isLenient) }

    /// Whether a file or folder is there.
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(path)") }

    /// The names of the folders in the root.
    mutating func rootFolders() -> [String] { contents(of: "").folders.values.joined().sorted() }

    /// The same as `exists`, from folders that are read once; without hidden files.
    mutating func isListed(_ path: String) -> Bool {
        let parts = path.splitBytes("/")
        guard let name = parts.last else { return false }
        return contents(of: parts.dropLast().joined(separator: "/")).names.contains(Array(name.utf8))
    }

    /// The only file or folder of images that the path can mean; nil if there is none, or there are several.
    mutating func only(like path: String) -> String? {
        var parts = path.splitBytes("/").map(String.init)
        guard let name = parts.popLast() else { return nil }
        var folder = ""
        for part in parts {
            let contents = contents(of: folder)
            if contents.names.contains(Array(part.utf8)) {
                folder = FolderLister.joined(folder, part)
            } else if let other = contents.folders[Self.key(ofFolder: part)], other.count == 1 {
                folder = FolderLister.joined(folder, other[0])
            } else {
                return nil
            }
        }
        let contents = contents(of: folder)
        if contents.names.contains(Array(name.utf8)) { return FolderLister.joined(folder, name) }
        guard let found = contents.clips[key(ofClip: name)], found.count == 1 else { return nil }
        return FolderLister.joined(folder, found[0])
    }

    private mutating func contents(of folder: String) -> Folder {
        if let known = folders[folder] { return known }
        var contents = Folder()
        for entry in (try? FolderEntry.entries(of: folder.isEmpty ? root : "\(root)/\(folder)")) ?? []
        where entry.isUTF8 {
            contents.names.insert(Array(entry.name.utf8))
            let isFolder = entry.kind == .folder
            if isFolder { contents.folders[Self.key(ofFolder: entry.name), default: []].append(entry.name) }
            if isFolder || VideoReader.isVideo(entry.name) {
                contents.clips[key(ofClip: entry.name), default: []].append(entry.name)
            }
        }
        folders[folder] = contents
        return contents
    }

    /// `HandstandPushups` and `HandStandPushups`, `brush hair` and `brush_hair`, `pumping (gas)` and `pumping_gas` are the same. Digits
    /// stay apart: `1_11` is not `11_1`.
    static func key(ofFolder name: String) -> String {
        let words = name.lowercased().split { !($0.isLetter || $0.isNumber) }
        return words.joined(separator: name.contains(where: \.isNumber) ? "_" : "")
    }

    /// The name without the ending of a video.
    private func key(ofClip name: String) -> String {
        let stem = VideoReader.isVideo(name) ? (name as NSString).deletingPathExtension : name
        guard isLenient else { return stem }
        return stem.lowercased().split { !($0.isLetter || $0.isNumber) }.joined(separator: "_")
    }
}
