import Foundation
import GRDB

/// Digest and file attributes of a file or folder of images when it was last read.
package struct KnownFile: Sendable, Equatable {
    /// SHA-256 of its content, hex.
    package let digest: String
    /// Size of all its files.
    package let bytes: Int
    /// Latest modification time of its files, in nanoseconds since 1970.
    package let modified: Int
    package let inode: Int

    package init(digest: String, bytes: Int, modified: Int, inode: Int) {
        (self.digest, self.bytes, self.modified, self.inode) = (digest, bytes, modified, inode)
    }
}

extension CacheFile {
    /// By absolute path.
    package func knownFiles() throws -> [String: KnownFile] {
        try read { database in
            guard try database.tableExists("file") else { return [:] }
            var files: [String: KnownFile] = [:]
            let rows = try database.cursor("SELECT path, digest, bytes, modified, inode FROM file")
            while let row = try rows.next() {
                try files[row.get(0)] = KnownFile(
                    digest: row.get(1), bytes: row.get(2), modified: row.get(3), inode: row.get(4))
            }
            return files
        }
    }

    /// Records files by their absolute paths in one transaction.
    package func remember(_ files: [(path: String, file: KnownFile)]) throws {
        if files.isEmpty { return }
        try write { database in
            try database.run(Schema.files)
            let sql = "INSERT OR REPLACE INTO file (path, digest, bytes, modified, inode) VALUES (?, ?, ?, ?, ?)"
            try database.run(sql, each: files) { path, file in
                [path, file.digest, file.bytes, file.modified, file.inode]
            }
        }
    }
}
