import CElementwise
import Digests
import Files
import Foundation
import GRDB

/// The unaugmented views of one recipe in a separate memory-mapped file with contiguous rows, which is read at memory
/// bandwidth, faster than SQLite's pages. Created on request, and valid while the cache has the same sequences.
package struct MappedFeatures: Sendable {
    private struct Header: Codable, Equatable {
        var version = 1
        /// Identifies the cache's sequences: their number, and which they are.
        let signature: [Int64]
        let size: Int
        let type: StoredType
        let clips, rows: Int

        static let bytes = 4096

        /// Offset at which the elements end and lengths and clips begin.
        var rowBytes: Int { rows * size * type.bytes }
        var fileBytes: Int { Self.bytes + rowBytes + rows * 4 + clips * 16 }

        /// Whether the header is consistent with the file's size.
        func fits(_ bytes: Int) -> Bool {
            version == 1 && (0...bytes).contains(clips) && StoredSize.fits(rows, of: size, as: type, in: bytes)
                && fileBytes == bytes
        }
    }

    private let header: Header
    private let file: Data
    /// Row IDs in `video`, and their ranges of rows in the file.
    private let clips: [(id: Int64, rows: Range<Int>)]

    package var bytes: Int { header.fileBytes }

    static func path(_ cache: CacheFile, _ record: ExtractionRecord, in folder: String) -> String {
        let place = URL(fileURLWithPath: cache.path).standardizedFileURL.resolvingSymlinksInPath().path
        var digest = Digest()
        digest.update(Data("\(place)\n\(record.digest)".utf8))
        return folder + "/" + digest.hex() + ".rows"
    }

    /// Opens an existing file; nil if there is none, or if the cache has other sequences now. Throws `CacheError`.
    package static func open(
        _ cache: CacheFile, extraction: StoredExtraction, in folder: String
    ) throws -> MappedFeatures? {
        let path = path(cache, extraction.record, in: folder)
        guard (try? RegularFile.checkOwner(path)) != nil, let file = try? RegularFile.mapped(path),
            file.count > Header.bytes,
            let end = file.prefix(Header.bytes).firstIndex(of: 10),
            let header = try? JSONDecoder().decode(Header.self, from: file.prefix(end)),
            header.fits(file.count), header.size == extraction.record.featureSize,
            header.type == extraction.record.elementType, header.signature == (try cache.signature(extraction.id))
        else { return nil }
        return MappedFeatures(header, file)
    }

    /// Nil if the clips' lengths contradict the number of rows, which means that the file is damaged.
    private init?(_ header: Header, _ file: Data) {
        (self.header, self.file) = (header, file)
        let start = Header.bytes + header.rowBytes + header.rows * 4
        var clips: [(id: Int64, rows: Range<Int>)] = []
        var row = 0
        for clip in 0..<header.clips {
            let (id, length) = file.withUnsafeBytes { bytes in
                let number = { bytes.loadUnaligned(fromByteOffset: start + clip * 16 + $0, as: Int64.self) }
                return (number(0), Int(number(8)))
            }
            guard (0...header.rows - row).contains(length) else { return nil }
            clips.append((id, row..<row + length))
            row += length
        }
        guard row == header.rows else { return nil }
        self.clips = clips
    }

    /// Writes the file atomically. `isCancelled`: polled regularly; nil is returned after cancellation. Throws
    /// `CacheError`, also if there is no space.
    package static func make(
        _ cache: CacheFile, extraction: StoredExtraction, in folder: String, isCancelled: () -> Bool = { false }
    ) throws -> MappedFeatures? {
        let path = path(cache, extraction.record, in: folder)
        let part = NewFile.partialPath(of: path)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            chmod(folder, 0o700)
            let handle = try NewFile.create(part)
            defer {
                try? handle.close()
                try? FileManager.default.removeItem(atPath: part)
            }
            try handle.write(contentsOf: Data(count: Header.bytes))
            guard let header = try write(cache, extraction, to: handle, isCancelled) else { return nil }
            try handle.seek(toOffset: 0)
            try handle.write(contentsOf: JSONEncoder().encode(header) + [10])
            try handle.synchronize()
            guard rename(part, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch let error as CacheError {
            throw error
        } catch { throw CacheError.notMapped(path: path, reason: error.localizedDescription) }
        return try open(cache, extraction: extraction, in: folder)
    }

    /// - Returns: the header; nil after cancellation.
    private static func write(
        _ cache: CacheFile, _ extraction: StoredExtraction, to handle: FileHandle, _ isCancelled: () -> Bool
    ) throws -> Header? {
        let (size, type) = (extraction.record.featureSize, extraction.record.elementType)
        var (clips, rows) = (0, 0)
        var (table, shares, waiting) = (Data(), Data(), Data())
        let signature = try cache.signature(extraction.id)
        let whole = try cache.forEachStored(extraction.id) { id, length, data in
            if isCancelled() { return false }
            guard StoredSize.fits(length, of: size, as: type, in: data.count) else {
                throw CacheError.damagedSequence(path: cache.path, video: "number \(id)")
            }
            let bytes = length * size * type.bytes
            var own = [Float](repeating: 0, count: length)
            data.withUnsafeBytes { elementwise_inverse_row_norms(length, size, type.isHalf, $0.baseAddress, &own) }
            own.withUnsafeBytes { shares.append(contentsOf: $0) }
            for number in [id, Int64(length)] { withUnsafeBytes(of: number) { table.append(contentsOf: $0) } }
            waiting.append(data.prefix(bytes))
            (clips, rows) = (clips + 1, rows + length)
            if waiting.count > 16 << 20 {
                try handle.write(contentsOf: waiting)
                waiting.removeAll(keepingCapacity: true)
            }
            return true
        }
        guard whole else { return nil }
        for data in [waiting, shares, table] { try handle.write(contentsOf: data) }
        return Header(signature: signature, size: size, type: type, clips: clips, rows: rows)
    }

    /// Cosine similarities of the rows of `part`, of `parts` that may be read in parallel. `queries`: unit vectors.
    package func cosines(
        to queries: [[Float]], videos: Set<Int64>, part: Int = 0, of parts: Int = 1
    ) -> CacheFile.Cosines {
        var result = CacheFile.Cosines(count: queries.count)
        let vectors = queries.flatMap { $0 }
        let own = clips[clips.count * part / parts..<clips.count * (part + 1) / parts]
        file.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            let shares = UnsafeRawPointer(start + Header.bytes + header.rowBytes).assumingMemoryBound(to: Float.self)
            func compute(_ rows: Range<Int>) {
                guard !rows.isEmpty else { return }
                let values = [Float](unsafeUninitializedCapacity: queries.count * rows.count) { target, count in
                    elementwise_cosines(
                        rows.count, header.size, header.type.isHalf,
                        start + Header.bytes + rows.lowerBound * header.size * header.type.bytes,
                        shares + rows.lowerBound, queries.count, vectors, target.baseAddress)
                    count = queries.count * rows.count
                }
                for place in queries.indices {
                    result.values[place] += values[place * rows.count..<(place + 1) * rows.count]
                }
            }
            var run = 0..<0
            for clip in own where videos.contains(clip.id) {
                result.videos.append((clip.id, clip.rows.count))
                if run.upperBound == clip.rows.lowerBound, run.count < 1 << 16 {
                    run = run.lowerBound..<clip.rows.upperBound
                } else {
                    compute(run)
                    run = clip.rows
                }
            }
            compute(run)
        }
        return result
    }
}

extension CacheFile {
    /// Identifies a recipe's sequences: changes when one is added, replaced or removed.
    func signature(_ extraction: Int64) throws -> [Int64] {
        try read { database in
            let row = try database.row(
                """
                SELECT count(*), coalesce(max(rowid), 0), coalesce(sum(rowid), 0), coalesce(sum(video_id), 0)
                FROM sequence WHERE extraction_id = ? AND view = 0
                """, [extraction])
            return try row.map { row in try (0..<4).map { try row.get($0) } } ?? []
        }
    }

    /// Passes the stored features of each unaugmented view to `body` until it returns false; whether it never did.
    func forEachStored(
        _ extraction: Int64, _ body: (_ video: Int64, _ length: Int, _ features: Data) throws -> Bool
    ) throws -> Bool {
        check.begin()
        defer { check.remember() }
        return try read { database in
            try database.run("PRAGMA mmap_size = \(1 << 44)")
            let cursor = try database.cursor(
                """
                SELECT video_id, length, features, checksum, rowid FROM sequence
                WHERE extraction_id = ? AND view = 0 AND length > 0 ORDER BY video_id
                """, [extraction])
            while let row = try cursor.next() {
                let (checksum, place) = try (row.get(3) as String?, row.get(4) as Int64)
                let goesOn = try row.withUnsafeData(atIndex: 2) { data in
                    guard check.accepts(place, data ?? Data(), checksum) else {
                        throw try Self.damage([place], path: path, database)
                    }
                    return try body(row.get(0), row.get(1), data ?? Data())
                }
                if !goesOn { return false }
            }
            return true
        }
    }
}
