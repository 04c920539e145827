import Escaping
import Foundation

/// A path in a list, and its possible meanings below the root.
struct ListedPath {
    private let root: String
    private let rootParts: [Substring]
    private let resolvedRoot: String?
    private let listFolder: String

    /// - `list`: the file that contains the paths.
    init(root: String, list: String) {
        self.root = URL(fileURLWithPath: root).standardizedFileURL.path
        rootParts = self.root.splitBytes("/")
        resolvedRoot = realPath(root)
        listFolder = URL(fileURLWithPath: list).deletingLastPathComponent().standardizedFileURL.path
    }

    /// Paths below the root, the most literal first; empty if the path leads out of the root.
    func candidates(_ name: String) -> [String] {
        guard !name.isEmpty, !name.utf8.contains(0) else { return [] }
        var found = Clip.staysInside(name) ? [name] : []
        let isWindows = name.utf8.contains(UInt8(ascii: "\\"))
        let path = isWindows ? name.replacingBytes("\\", with: "/") : name
        guard path.hasBytePrefix("/") else {
            if let plain = Self.joined(path) {
                found.append(plain)
                let parts = plain.splitBytes("/")
                // The path may begin with the root's last folders: `UCF-101/Archery/a.avi` below `data/UCF-101`.
                for count in 1..<max(1, min(parts.count, rootParts.count + 1))
                where zip(parts, rootParts.suffix(count)).allSatisfy({ $0.utf8.elementsEqual($1.utf8) }) {
                    found.append(parts.dropFirst(count).joined(separator: "/"))
                }
            }
            for base in [listFolder, FileManager.default.currentDirectoryPath] {
                if let below = below(base + "/" + path), exists(below) { found.append(below) }
            }
            return found
        }
        if let below = below(path) { return [below] }
        // `/train/run/1.mp4` may be relative to the root.
        if let plain = Self.joined(path), exists(plain) { return [plain] }
        return []
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(path)") }

    /// The part of an absolute path below the root, with symbolic links resolved.
    private func below(_ path: String) -> String? {
        guard let plain = Self.joined(path) else { return nil }
        let absolute = "/" + plain
        if let rest = Self.rest(of: absolute, below: root) { return rest }
        guard let resolvedRoot else { return nil }
        if let rest = Self.rest(of: absolute, below: resolvedRoot) { return rest }
        // A clip may be a link itself, which is not resolved.
        let url = URL(fileURLWithPath: absolute)
        guard let folder = realPath(url.deletingLastPathComponent().path) else { return nil }
        return Self.rest(of: (folder == "/" ? "" : folder) + "/" + url.lastPathComponent, below: resolvedRoot)
    }

    private static func rest(of path: String, below root: String) -> String? {
        guard let rest = path.droppingBytePrefix(root == "/" ? "/" : root + "/"), Clip.staysInside(String(rest)) else {
            return nil
        }
        return String(rest)
    }

    /// The path without `.`, `..` and empty components; nil if it leads above its start, or is empty.
    private static func joined(_ path: String) -> String? {
        var parts: [Substring] = []
        for part in path.splitBytes("/") where part != "." {
            if part.utf8.elementsEqual("..".utf8) {
                guard parts.popLast() != nil else { return nil }
            } else {
                parts.append(part)
            }
        }
        return parts.isEmpty ? nil : parts.joined(separator: "/")
    }
}

/// The path without symbolic links; nil if it does not exist.
func realPath(_ path: String) -> String? {
    guard let text = realpath(path, nil) else { return nil }
    defer { free(text) }
    return String(cString: text)
}
