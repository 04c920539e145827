import Escaping
import Files
import Foundation
import Video

/// Finds the clips of a list below the root, also if folders have another spelling or files another extension.
struct FileFinder {
    let root: String
    /// Whether names match that differ only in case and signs other than letters and digits. False for YouTube.
    private let isLenient: Bool
    /// Paths that match several files, and one of them with its matches.
    private(set) var ambiguous: Set<String> = []
    private(set) var example = ""
    private var folders: [String: Folder] = [:]

    /// The content of a folder, by bytes and by comparison key.
    private struct Folder {
        var names: Set<[UInt8]> = [], folders: [String: [String]] = [:], clips: [String: [String]] = [:]
    }

    init(root: String, isLenient: Bool = false) { (self.root, self.isLenient) = (root, isLenient) }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(path)") }

    func isClip(_ path: String) -> Bool {
        guard exists(path) else { return false }
        guard FolderLayout.isFolder("\(root)/\(path)") else { return true }
        return (try? FolderEntry.entries(of: "\(root)/\(path)"))?.contains { ImageFolder.isImage($0.name) } ?? false
    }

    mutating func rootFolders() -> [String] { contents(of: "").folders.values.joined().sorted() }

    /// As `exists`, from cached folder contents, without hidden files.
    mutating func isListed(_ path: String) -> Bool {
        let parts = path.splitBytes("/")
        guard let name = parts.last else { return false }
        return contents(of: parts.dropLast().joined(separator: "/")).names.contains(Array(name.utf8))
    }

    /// The only file or folder of images that the path can mean; nil if there is none, or if there are several.
    mutating func only(like path: String) -> String? {
        var parts = path.splitBytes("/").map(String.init)
        guard let name = parts.popLast() else { return nil }
        // The spelling in the list comes first.
        var places = [""]
        for part in parts {
            places = places.flatMap { place in
                let contents = contents(of: place)
                let others = (contents.folders[Self.key(ofFolder: part)] ?? []).filter {
                    !$0.utf8.elementsEqual(part.utf8)
                }
                return ((contents.names.contains(Array(part.utf8)) ? [part] : []) + others.sorted())
                    .map { FolderLister.joined(place, $0) }
            }
        }
        let key = key(ofClip: name)
        var found: [String] = []
        for place in places {
            let contents = contents(of: place)
            let isListed = contents.names.contains(Array(name.utf8))
            found += (isListed ? [name] : contents.clips[key] ?? []).map { FolderLister.joined(place, $0) }
            if place.utf8.elementsEqual(parts.joined(separator: "/").utf8), !found.isEmpty { break }
        }
        if found.count > 1 {
            if ambiguous.isEmpty { example = "\(path): \(found.sorted().joined(separator: ", "))" }
            ambiguous.insert(path)
        }
        return found.count == 1 ? found.first : nil
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

    /// Comparison key: `HandstandPushups` and `HandStandPushups`, `brush hair` and `brush_hair`, `pumping (gas)` and
    /// `pumping_gas` are equal. Digit groups stay separate (`1_11` is not `11_1`), and so do other signs (`c++`, `c`).
    static func key(ofFolder name: String) -> String {
        let words = name.lowercased().split { " _-()',.".contains($0) }
        return words.isEmpty ? name : words.joined(separator: name.contains(where: \.isNumber) ? "_" : "")
    }

    /// Comparison key of the name without a video extension.
    private func key(ofClip name: String) -> String {
        let stem = VideoReader.isVideo(name) ? name.droppingFileExtension : name
        let words = isLenient ? stem.lowercased().split { !($0.isLetter || $0.isNumber) } : []
        return words.isEmpty ? stem : words.joined(separator: "_")
    }

    /// A note about ambiguous paths; nil if there are none.
    var note: String? {
        ambiguous.isEmpty
            ? nil
            : "\(ambiguous.count == 1 ? "1 path" : "\(ambiguous.count) paths") of the list match several files and are "
                + "left out, such as \(example)"
    }
}
