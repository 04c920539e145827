import Digests
import Foundation
import GRDB

extension CacheFile {
    static func sequenceProblems(_ chunk: SequenceChunk, in database: Database) throws -> [CacheVerification.Problem] {
        var problems: [CacheVerification.Problem] = []
        try forEachDamaged(chunk.rows, in: database) { row, what in
            try problems.append(.init(place: place(of: row), what: what, isDamage: true))
        }
        return problems
    }

    static func place(of row: Row) throws -> String {
        let view = try (row.get("view") as Int?).flatMap { $0 == 0 ? nil : ", view \($0)" } ?? ""
        return try
            "sequence of \((row.get("path") as String?) ?? "?") under \((row.get("name") as String?) ?? "?")\(view)"
    }

    static func damagedSequences(_ chunk: SequenceChunk, in database: Database) throws -> [Int64] {
        var damaged: [Int64] = []
        try forEachDamaged(chunk.rows, in: database) { row, _ in try damaged.append(row.get("place")) }
        return damaged
    }

    /// Checks a range of rows of the attached database `schema`.
    static func forEachDamaged(
        _ rows: ClosedRange<Int64>, of schema: String = "main", in database: Database,
        _ body: (Row, String) throws -> Void
    ) throws {
        // `problem` reads columns by index in this order, because lookups by name take longer than the checks.
        let found = try database.cursor(
            """
            SELECT max_frames, feature_size, element_type, length, mask, frame_indices, frame_times, checksum, features,
              sequence.rowid AS place, view, extraction.name, video.path, window_ends
            FROM \(schema).sequence LEFT JOIN \(schema).extraction ON extraction.id = extraction_id
              LEFT JOIN \(schema).video ON video.id = video_id
            WHERE sequence.rowid BETWEEN ? AND ? ORDER BY sequence.rowid
            """, [rows.lowerBound, rows.upperBound])
        while let row = try found.next() { if let what = try problem(of: row) { try body(row, what) } }
    }

    private static func problem(of row: Row) throws -> String? {
        // Missing references are found by SQLite's foreign-key check.
        guard let frames = try row.get(0) as Int?, let size = try row.get(1) as Int?,
            let type = try (row.get(2) as String?).flatMap(StoredType.init)
        else { return nil }
        guard StoredSize.isPossible(frames: frames, numbers: size) else {
            return "its recipe states \(frames) frames of \(size) values"
        }
        guard let length = try row.get(3) as Int?, (0...frames).contains(length) else {
            return "its length is not from 0 to \(frames)"
        }
        let mask = String(repeating: "1", count: length) + String(repeating: "0", count: frames - length)
        if try row.get(4) as String? != mask { return "its mask is not \(length) ones of \(frames)" }
        guard let indices = try numbers(row.get(5)), indices.count == length,
            indices.allSatisfy({ $0 >= 0 && $0 < 9_007_199_254_740_992 && $0 == $0.rounded() })
        else { return "its frame_indices are not \(length) integers" }
        if zip(indices, indices.dropFirst()).contains(where: { $0 > $1 }) { return "its frame_indices decrease" }
        guard let times = try numbers(row.get(6)), times.count == length else {
            return "its frame_times are not \(length) numbers"
        }
        if zip(times, times.dropFirst()).contains(where: { $0 > $1 }) { return "its frame_times decrease" }
        if let ends = try row.get("window_ends") as String?, !areEnds(ends, of: indices) {
            return "its window_ends are not \(length) pairs of frames around its frame_indices"
        }
        let checksum = try row.get(7) as String?
        return try row.withUnsafeData(atIndex: 8) { data in
            let (whole, valid) = (frames * size * type.bytes, length * size * type.bytes)
            guard let data, data.count == whole else {
                return "its features are \(data?.count ?? 0) bytes, not \(whole)"
            }
            if hexDigest(data) != checksum { return "its features do not match their checksum" }
            let isPadded = data.withUnsafeBytes { bytes in
                UnsafeRawBufferPointer(rebasing: bytes[valid...]).allSatisfy { $0 == 0 }
            }
            return isPadded ? nil : "its padded rows are not zero"
        }
    }

    /// Whether each window contains its middle frame.
    private static func areEnds(_ text: String, of middles: [Double]) -> Bool {
        guard let ends = try? JSONDecoder().decode([[Int]].self, from: Data(text.utf8)), ends.count == middles.count
        else { return false }
        return zip(ends, middles).allSatisfy {
            $0.count == 2 && $0[0] >= 0 && Double($0[0]) <= $1 && $1 <= Double($0[1])
        }
    }

    /// Parses a JSON array of finite numbers.
    private static func numbers(_ text: String?) -> [Double]? {
        guard var bytes = text.map({ Array($0.utf8) }), bytes.first == UInt8(ascii: "[") else { return nil }
        if bytes.count == 2, bytes[1] == UInt8(ascii: "]") { return [] }
        // `strtod` accepts more than JSON: hexadecimal, `inf`, `nan`.
        let known = Array("[]0123456789+-.eE, ".utf8)
        guard bytes.allSatisfy(known.contains) else { return nil }
        bytes.append(0)
        return bytes.withUnsafeBytes { raw -> [Double]? in
            guard let start = raw.baseAddress else { return nil }
            var (place, numbers) = (1, [Double]())
            while true {
                let first = start.advanced(by: place).assumingMemoryBound(to: CChar.self)
                var end: UnsafeMutablePointer<CChar>?
                let number = strtod(first, &end)
                guard let end, UnsafePointer(end) > first, number.isFinite else { return nil }
                numbers.append(number)
                place += UnsafePointer(end) - first
                let next = raw[place]
                place += 1
                if next == UInt8(ascii: "]") { return place == raw.count - 1 ? numbers : nil }
                guard next == UInt8(ascii: ",") else { return nil }
            }
        }
    }
}
