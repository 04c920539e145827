import Files
import Foundation
import GRDB

/// Size and modification time of a cache and of its write-ahead log, to detect writes.
struct FileState: Codable, Equatable, Sendable {
    private let device, inode: UInt64
    private let bytes, modified: Int
    /// Of the write-ahead log; 0 if there is none, or an empty one, which reading creates.
    private let logBytes, logModified: Int

    /// - Returns: nil if the file does not exist.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        (bytes, modified) = (Int(status.st_size), status.modified)
        let hasLog = stat(path + "-wal", &status) == 0 && status.st_size > 0
        (logBytes, logModified) = hasLog ? (Int(status.st_size), status.modified) : (0, 0)
    }
}

/// A set of row IDs as a bit set.
struct RowSet: Codable, Equatable, Sendable {
    private var words: [UInt64] = []

    /// Larger IDs are never in the set, so that a damaged ID does not take gigabytes.
    static let limit: Int64 = 1 << 26

    init() {}

    var isEmpty: Bool { words.isEmpty }

    func contains(_ row: Int64) -> Bool {
        guard let place = Int(exactly: row / 64), row >= 0, place < words.count else { return false }
        return words[place] >> UInt64(row % 64) & 1 == 1
    }

    mutating func insert(_ row: Int64) {
        guard row >= 0, row < Self.limit else { return }
        let place = Int(row / 64)
        if place >= words.count { words += Array(repeating: 0, count: place + 1 - words.count) }
        words[place] |= 1 << UInt64(row % 64)
    }

    mutating func formUnion(_ other: RowSet) {
        if other.words.count > words.count { words += Array(repeating: 0, count: other.words.count - words.count) }
        for (place, word) in other.words.enumerated() { words[place] |= word }
    }

    /// Decodes little-endian bytes in base64.
    init(from decoder: any Decoder) throws {
        let data = try decoder.singleValueContainer().decode(Data.self)
        words = stride(from: 0, to: data.count - data.count % 8, by: 8).map { first in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(data[data.startIndex + first + $1]) << UInt64(8 * $1) }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var data = Data(capacity: words.count * 8)
        for word in words { withUnsafeBytes(of: word.littleEndian) { data.append(contentsOf: $0) } }
        var container = encoder.singleValueContainer()
        try container.encode(data)
    }
}

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
