import Foundation
import GRDB

/// What a file or folder of images held when it was last read, and what it looked like then.
public struct KnownFile: Sendable, Equatable {
    /// SHA-256 of its content, hex.
    public let digest: String
    /// Size of all its files.
    public let bytes: Int
    /// When one of them was last changed, in nanoseconds since 1970.
    public let modified: Int
    /// The file system's number for it.
    public let inode: Int

    /// All parts, as they are.
    public init(digest: String, bytes: Int, modified: Int, inode: Int) {
        (self.digest, self.bytes, self.modified, self.inode) = (digest, bytes, modified, inode)
    }
}

/// Files that need not be read again to learn what they hold.
extension CacheFile {
    /// By absolute path.
    public func knownFiles() throws -> [String: KnownFile] {
        try read { database in
            guard try database.tableExists("file") else { return [:] }
            var files: [String: KnownFile] = [:]
            let rows = try Row.fetchCursor(database, sql: "SELECT path, digest, bytes, modified, inode FROM file")
            while let row = try rows.next() {
                try files[row.get(0)] = KnownFile(
                    digest: row.get(1), bytes: row.get(2), modified: row.get(3), inode: row.get(4))
            }
            return files
        }
    }

    /// Remembers files by their absolute paths, all in one transaction.
    public func remember(_ files: [(path: String, file: KnownFile)]) throws {
        if files.isEmpty { return }
        try write { database in
            try database.execute(sql: Schema.files)
            let statement = try database.makeStatement(
                sql: "INSERT OR REPLACE INTO file (path, digest, bytes, modified, inode) VALUES (?, ?, ?, ?, ?)")
            for (path, file) in files {
                try statement.execute(arguments: [path, file.digest, file.bytes, file.modified, file.inode])
            }
        }
    }
}
