import Files
import Foundation
import GRDB

package enum CacheError: LocalizedError, Equatable {
    case missing(path: String)
    /// A name that SQLite interprets as an in-memory database or a URI.
    case notFileName(path: String)
    case noFolder(path: String, folder: String), notSQLite(path: String), notCache(path: String)
    case otherVersion(path: String, found: Int, expected: Int)
    /// A schema with SQL that this program did not define, and the entry found.
    case foreignSchema(path: String, what: String)
    case readOnly(path: String), full(path: String)
    /// Bytes that the features need, and free bytes.
    case noRoom(path: String, needed: Int, free: Int)
    case busy(path: String), beingExtracted(path: String), unusable(path: String, reason: String)
    case damagedSequence(path: String, video: String)
    /// Features whose checksums differ: the recipe, descriptions of the first few clips, and the total number.
    case damagedFeatures(path: String, recipe: String, clips: [String], count: Int)
    case damagedRecipe(path: String, id: Int64), runExists(name: String)
    case notMapped(path: String, reason: String)

    package var errorDescription: String? {
        switch self {
        case .missing(let path): "There is no cache at \(path). Run `zoetrope extract` first, or name it with --cache."
        case .notFileName(let path):
            "A cache cannot be called '\(path)', which SQLite treats as a temporary database: nothing would be stored. "
                + "Name a file, such as features.sqlite or ./\(path.isEmpty ? "features.sqlite" : path)."
        case .noFolder(let path, let folder):
            "\(path) cannot be created, since the folder \(folder) does not exist. Make it with `mkdir -p`, or name "
                + "another file."
        case .notSQLite(let path):
            "\(path) is not an SQLite file. Name another file with --cache; this one was not changed."
        case .notCache(let path):
            "\(path) is an SQLite file but not a Zoetrope cache. Name another with --cache; this one was not changed."
        case .otherVersion(let path, let found, let expected):
            "\(path) has schema version \(found), this program uses \(expected). "
                + (found > expected ? "Update Zoetrope" : "Extract into a new file") + "; this one was not changed."
        case .foreignSchema(let path, let what):
            "\(path) has \(what), which is not part of Zoetrope's schema and could run other SQL. Name another "
                + "file with --cache; this one was not changed."
        case .readOnly(let path): "\(path) cannot be written: it or its folder is read-only. Name another with --cache."
        case .full(let path):
            "The disk that holds \(path) is full. Stored rows are kept; free disk space, and run the command again."
        case .noRoom(let path, let needed, let free):
            "The features will take up to \(needed >> 20) MB, but only \(free >> 20) MB are free on the disk of "
                + "\(path). Use a disk with more space, name another file with --cache, or halve their size with "
                + "`extract.store: float16`."
        case .busy(let path): "\(path) is locked by another program. Wait for it, then run the command again."
        case .beingExtracted(let path):
            "Another `zoetrope extract` is writing to \(path). Wait for it, or use another --cache."
        case .unusable(let path, let reason):
            "The cache \(path) cannot be used: \(reason). `zoetrope cache verify` lists what is damaged."
        case .damagedSequence(let path, let video):
            "The features of \(video) in \(path) are damaged. `zoetrope cache prune \(path) --damaged` removes them; "
                + "then run `zoetrope extract` again."
        case .damagedFeatures(let path, let recipe, let clips, let count):
            "The features of \(count == 1 ? "1 clip" : "\(count) clips") in \(path), recipe \(recipe), do not match "
                + "their checksums: "
                + clips.joined(separator: ", ") + (count > clips.count ? ", …" : "")
                + ". The file was damaged after they were stored. `zoetrope cache prune \(path) --damaged` removes "
                + "them; then run `zoetrope extract` again."
        case .damagedRecipe(let path, let id):
            "Recipe \(id) in \(path) is damaged, so its features cannot be interpreted. Use an undamaged copy of the "
                + "file, or extract into a new one; `zoetrope cache verify` lists what is damaged."
        case .notMapped(let path, let reason):
            "The features cannot be written to \(path): \(reason). Run the search without --map, which is slower and "
                + "writes nothing."
        case .runExists(let name): "A run called \(name) is already in the cache. Choose another with --name."
        }
    }

    /// Maximum number of clips that `damagedFeatures` names.
    static let namedClips = 5

    /// Description of a sequence in `damagedFeatures`.
    static func clip(_ path: String, view: Int) -> String { path + (view == 0 ? "" : " (view \(view))") }

    /// Checks the free space of a file's volume; unknown free space passes. Throws `CacheError.noRoom`.
    static func requireRoom(_ bytes: Int, beside path: String) throws {
        guard let free = freeBytes(path), bytes > free else { return }
        throw CacheError.noRoom(path: path, needed: bytes, free: free)
    }

    private static func freeBytes(_ path: String) -> Int? {
        var disk = statvfs()
        let folder = OutputPath.parent(of: path)
        guard statvfs(folder.isEmpty ? "." : folder, &disk) == 0 else { return nil }
        return Int(clamping: UInt(disk.f_bavail) * disk.f_frsize)
    }

    private static func hasNoRoom(_ path: String) -> Bool { freeBytes(path).map { $0 < 1 << 20 } ?? false }

    /// Converts SQLite errors to `CacheError`.
    static func translating<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DatabaseError {
            switch error.resultCode {
            case .SQLITE_NOTADB: throw CacheError.notSQLite(path: path)
            case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM: throw CacheError.readOnly(path: path)
            case .SQLITE_FULL: throw CacheError.full(path: path)
            // SQLite reports only an I/O error if there is no space for the `-shm` file.
            case .SQLITE_IOERR where hasNoRoom(path): throw CacheError.full(path: path)
            case .SQLITE_BUSY, .SQLITE_LOCKED: throw CacheError.busy(path: path)
            default: throw CacheError.unusable(path: path, reason: error.message ?? "\(error.resultCode)")
            }
        } catch is RowDecodingError { throw CacheError.unusable(path: path, reason: "a row holds an invalid value") }
    }
}
