import Escaping
import Foundation

/// `<root>/[<train|validation|val|test>/]<label>/<video>`. A folder that directly contains images is one clip.
struct FolderLayout {
    let root: String

    private static let splitNames: [String: Split] = [
        "train": .train, "validation": .validation, "val": .validation, "test": .test,
    ]

    func listing() throws -> DatasetListing {
        do {
            return try listing { Self.splitNames[$0.lowercased()] }
        } catch DatasetError.noVideos(let root, let leftOut) {
            // Names of splits may also be classes, if this interpretation gives no videos.
            do { return try listing(SplitNames.split(named:)) } catch DatasetError.noVideos {
                throw DatasetError.noVideos(root, leftOut: leftOut)
            }
        }
    }

    private func listing(_ split: (String) -> Split?) throws -> DatasetListing {
        var lister = FolderLister(root: root)
        let entries = try lister.rootEntries()
        let folders = entries.filter { $0.kind == .folder }
        let splits = folders.compactMap { folder in split(folder.name).map { (folder.name, $0) } }
        if !splits.isEmpty && splits.count == folders.count {
            lister.leaveOutFiles(entries, in: "")
            for (name, split) in splits { lister.addClasses(lister.entries(of: name, label: nil), in: name, as: split) }
        } else {
            lister.addClasses(entries, in: "", as: .train)
        }
        return try lister.result()
    }

    /// Names of the visible entries of a folder, sorted. Throws `DatasetError.missingFolder`.
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
