import Escaping
import Files
import Foundation
import Video

/// Collects the clips of class folders and the other files beside them. Opens only folders and regular files.
struct FolderLister {
    let root: String
    private(set) var listing = DatasetListing(clips: [])
    /// Maximum number of entries below clips that are inspected, so that a wrong root does not read a whole disk.
    private var budget = 20_000

    init(root: String) { self.root = root }

    /// The result, or an error if there are no clips. Throws `DatasetError.noVideos`.
    func result() throws -> DatasetListing {
        guard listing.clips.isEmpty else { return listing }
        throw DatasetError.noVideos(root, leftOut: listing.summary.map { " (\($0))" } ?? "")
    }

    /// The root's visible files and folders. Throws `DatasetError.missingFolder`.
    mutating func rootEntries() throws -> [FolderEntry] {
        do throws(FileError) {
            return usable(try FolderEntry.entries(of: root), in: "", label: nil)
        } catch { throw DatasetError.missingFolder(root) }
    }

    /// Visible files and folders of the folder `path` below the root. Other entries are recorded as excluded.
    /// `holdsClips`: whether they are clips or classes, whose names must be distinct Swift strings.
    mutating func entries(of path: String, label: String?, holdsClips: Bool = true) -> [FolderEntry] {
        do throws(FileError) {
            let entries = try FolderEntry.entries(of: full(path))
            return usable(entries, in: path, label: label, holdsClips: holdsClips)
        } catch {
            leaveOut(path, label, .unreadable(error.reason))
            return []
        }
    }

    mutating func leaveOut(_ path: String, _ label: String?, _ reason: LeftOut.Reason) {
        listing.leftOut.append(LeftOut(path: path, label: label, reason: reason))
    }

    /// Adds each folder among the entries of `folder` as a class; files are excluded.
    mutating func addClasses(_ entries: [FolderEntry], in folder: String, as split: Split) {
        for entry in entries {
            let path = Self.joined(folder, entry.name)
            guard entry.kind == .folder else {
                leaveOutFile(path, nil, .noClass)
                continue
            }
            let before = listing.clips.count
            for clip in self.entries(of: path, label: entry.name) {
                addClip(clip, in: path, label: entry.name, as: split)
            }
            if listing.clips.count == before { leaveOut(path, entry.name, .noClips) }
        }
    }

    /// Excludes the files among the entries of `folder`, because they are in no class folder.
    mutating func leaveOutFiles(_ entries: [FolderEntry], in folder: String) {
        for entry in entries where entry.kind != .folder {
            leaveOutFile(Self.joined(folder, entry.name), nil, .noClass)
        }
    }

    /// Adds a clip; of a folder, other files beside its images are excluded.
    mutating func add(_ clip: Clip, folder contents: ImageFolderContents?) {
        listing.clips.append(clip)
        for other in contents?.others ?? [] { leaveOutBelow(other, in: clip.path, clip.label) }
    }

    private mutating func addClip(_ entry: FolderEntry, in folder: String, label: String, as split: Split) {
        let path = Self.joined(folder, entry.name)
        let clip = Clip(path: path, label: label, split: split)
        guard entry.kind == .folder else {
            let content = VideoReader.isVideo(entry.name) ? .video : content(of: path)
            if content == .video { add(clip, folder: nil) } else { leaveOut(path, label, .noVideo(content)) }
            return
        }
        let before = listing.leftOut.count
        let entries = entries(of: path, label: label, holdsClips: false)
        let contents = ImageFolderContents(entries, in: full(path))
        if contents.hasImages { return add(clip, folder: contents) }
        for other in contents.others { leaveOutBelow(other, in: path, label) }
        if listing.leftOut.count == before { leaveOut(path, label, .emptyFolder) }
    }

    /// Excludes what is below `folder`, which is a clip or as deep as one.
    private mutating func leaveOutBelow(_ entry: FolderEntry, in folder: String, _ label: String?) {
        let path = Self.joined(folder, entry.name)
        guard entry.kind == .folder else { return leaveOutFile(path, label, .tooDeep) }
        // Links are not followed: they could lead anywhere, or form a loop.
        guard !entry.isLink, budget > 0 else { return leaveOut(path, label, .tooDeep) }
        let entries = entries(of: path, label: label, holdsClips: false)
        budget -= entries.count
        // The frames of a clip count as one entry.
        if entries.contains(where: { ImageFolder.isImage($0.name) }) { leaveOut(path, label, .tooDeep) }
        for entry in entries where !ImageFolder.isImage(entry.name) { leaveOutBelow(entry, in: path, label) }
    }

    /// Excludes a file because of its position if it is a video, otherwise because of its content.
    private mutating func leaveOutFile(_ path: String, _ label: String?, _ place: LeftOut.Reason) {
        let content = VideoReader.isVideo(path) ? .video : content(of: path)
        leaveOut(path, label, content == .video ? place : .noVideo(content))
    }

    private func content(of path: String) -> FileContent {
        let ending = path.fileExtension.lowercased()
        // PNG and WebP may be animated; for other images the extension is sufficient.
        if ending != "png", ending != "webp", ImageFolder.isImage(path.fileName) { return .image }
        return (try? FileContent.of(full(path))) ?? .unknown
    }

    /// Entries that can be clips, sorted by the bytes of their names if they are clips; others are excluded.
    private mutating func usable(
        _ entries: [FolderEntry], in folder: String, label: String?, holdsClips: Bool = true
    ) -> [FolderEntry] {
        let ordered =
            holdsClips ? entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } : entries
        // Swift compares strings, and thus sets and dictionaries of paths, by canonical equivalence.
        var names: [String: String] = [:]
        return ordered.filter { entry in
            // A file with a video extension stays a clip, which then fails with its reason.
            let isNamed = holdsClips && VideoReader.isVideo(entry.name)
            let reason: LeftOut.Reason? =
                switch entry.kind {
                case _ where !entry.isUTF8: .notUTF8
                case .special(let kind) where !isNamed: .special(kind)
                case .unreachable(let reason) where !isNamed: .brokenLink(reason)
                case .folder where isLoop(entry, in: folder): .linkLoop
                default: holdsClips ? names[entry.name].map { .sameName($0) } : nil
                }
            if holdsClips, reason == nil { names[entry.name] = entry.name }
            if let reason { leaveOut(Self.joined(folder, entry.name), label, reason) }
            return reason == nil
        }
    }

    /// Whether it is a link to an enclosing folder.
    private func isLoop(_ entry: FolderEntry, in folder: String) -> Bool {
        guard entry.isLink, let target = realPath(full(Self.joined(folder, entry.name))),
            let own = realPath(full(folder))
        else { return false }
        return own.utf8.elementsEqual(target.utf8)
            || own.hasBytePrefix(target.utf8.last == 0x2F ? target : target + "/")
    }

    private func full(_ path: String) -> String { path.isEmpty ? root : root + "/" + path }

    static func joined(_ folder: String, _ name: String) -> String { folder.isEmpty ? name : folder + "/" + name }
}
