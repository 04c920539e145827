import Datasets
import Escaping
import Files
import Foundation
import GRDB

/// Exports features: all sequences of a recipe, padded as stored, ordered by path.
package struct CacheExport: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// Only the features, `[video, frame, feature…]`.
        case npy
        /// `features`, `mask`, `lengths`, `labels`, `classes`, `paths`, `splits`, `groups`, `times`, `indices`.
        /// `labels` are indices into `classes`, `int64 [video]`; for several labels a clip 0 and 1, `uint8 [video,
        /// class]`.
        case npz
        /// `features`, `mask`, `lengths`, `labels`, as above; classes, paths and splits as JSON in the metadata.
        case safetensors
    }

    package var extraction: Int64
    package var dataset: String
    package var split: String?
    /// Row ID in `run` whose roles are exported as splits; nil exports the data set's.
    package var run: Int64?

    package init(extraction: Int64, dataset: String, split: String? = nil) {
        (self.extraction, self.dataset, self.split) = (extraction, dataset, split)
    }

    /// Writes a file atomically. Returns the number of videos. Throws `CacheError`, `ExportError`.
    package func write(_ format: Format, from cache: CacheFile, to path: String) throws -> Int {
        let table = try ExportTable(self, cache)
        guard !table.rows.isEmpty else { throw ExportError.nothing(dataset: dataset, split: split) }
        let partial = NewFile.partialPath(of: path)
        defer { unlink(partial) }
        switch format {
        case .npy: try table.writeFeatures(to: partial, NumPyHeader.data(type: table.type, shape: table.shape))
        case .npz: try NumPyArchive.write(table, to: partial)
        case .safetensors: try table.writeSafeTensors(to: partial)
        }
        guard rename(partial, path) == 0 else { throw ExportError.writing(path: path, errno: errno) }
        return table.rows.count
    }
}

package enum ExportError: LocalizedError, Equatable {
    case nothing(dataset: String, split: String?), writing(path: String, reason: String)
    case unknownTable(String, known: [String]), noColumn(String, table: String)
    /// A table or view with unlimited rows or values.
    case boundless(table: String, reason: String)
    case severalRecipes([String]), severalDatasets([String])

    private static func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }

    static func writing(path: String, errno: Int32) -> ExportError {
        .writing(path: path, reason: String(cString: strerror(errno)))
    }

    package var errorDescription: String? {
        switch self {
        case .nothing(let dataset, let split):
            "There are no features of \(dataset)" + (split.map { ", split \($0)," } ?? "")
                + " under that recipe. `zoetrope cache info` lists the recipes and data sets."
        case .writing(let path, let reason): "Cannot write \(path): \(reason). Name another file, or free disk space."
        case .unknownTable(let name, let known):
            "The cache has no table or view called \(name). Name one of \(known.joined(separator: ", "))."
        case .boundless(let table, let reason):
            "\(table) cannot be exported: \(reason). A view that Zoetrope did not create may be endless. Nothing was "
                + "written. Name another table, or query it with `sqlite3`."
        case .severalRecipes(let names): "Name one recipe with --recipe. The cache has \(Self.list(names))."
        case .severalDatasets(let names): "Name one data set with --dataset. The cache has \(Self.list(names))."
        case .noColumn(let column, let table):
            "\(table) has no column \(column) to filter by. Leave the option out, or use `make query`."
        }
    }
}

/// The exported rows without their features.
struct ExportTable {
    struct Row {
        let path, label, split: String
        let group: String?
        let length: Int
        let indices, times: [Double]
        let rowID: Int64
    }

    let rows: [Row]
    let task: DatasetConfiguration.Task
    /// Names of classes or labels, sorted as in runs.
    let classes: [String]
    let type: StoredType
    let maxFrames: Int
    let featureShape: [Int]
    let recipe: ExtractionRecord
    let cache: CacheFile

    /// `[video, frame, feature…]`.
    var shape: [Int] { [rows.count, maxFrames] + featureShape }
    /// Index of each video's class `[video]`, or whether it has each label `[video, class]`.
    var labels: LabelArray {
        let places = classes.places
        switch task {
        case .classification: return .indices(rows.map { places[$0.label] ?? -1 })
        case .multilabel:
            var flags = [UInt8](repeating: 0, count: rows.count * classes.count)
            for (index, row) in rows.enumerated() {
                for name in task.names(in: row.label) {
                    if let place = places[name] { flags[index * classes.count + place] = 1 }
                }
            }
            return .flags(flags, shape: [rows.count, classes.count])
        }
    }
    var mask: [UInt8] { rows.flatMap { row in (0..<maxFrames).map { $0 < row.length ? 1 : 0 } } }

    init(_ export: CacheExport, _ cache: CacheFile) throws {
        guard let recipe = try cache.extractions().first(where: { $0.id == export.extraction })?.record else {
            throw ExportError.nothing(dataset: export.dataset, split: export.split)
        }
        (self.recipe, self.cache) = (recipe, cache)
        (type, maxFrames, featureShape) = (recipe.elementType, recipe.maxFrames, recipe.featureShape)
        let decoder = JSONDecoder()
        rows = try cache.read { database in
            try database.rows(
                """
                SELECT sequence.rowid, path, label, part AS split, "group", length, frame_indices, frame_times
                FROM (SELECT *, CASE WHEN ?4 IS NULL THEN split ELSE (SELECT role FROM membership
                    WHERE run_id = ?4 AND video_id = sample.video_id AND (?3 IS NULL OR role = ?3)
                    ORDER BY role = 'train' LIMIT 1) END AS part FROM sample) AS sample
                  JOIN sequence USING (video_id) JOIN video ON video.id = video_id
                WHERE dataset = ?1 AND extraction_id = ?2 AND view = 0 AND part IS NOT NULL
                  AND (?3 IS NULL OR part = ?3)
                ORDER BY path, digest
                """, [export.dataset, export.extraction, export.split, export.run]
            ).map { row in
                let (clip, length): (String, Int) = try (row.get("path"), row.get("length"))
                func numbers(_ column: String) throws -> [Double] {
                    let text: String = try row.get(column)
                    guard let numbers = try? decoder.decode([Double].self, from: Data(text.utf8)),
                        numbers.count == length
                    else { throw CacheError.damagedSequence(path: cache.path, video: clip) }
                    return numbers
                }
                // Validated before masks and padding are allocated.
                guard (0...recipe.maxFrames).contains(length) else {
                    throw CacheError.damagedSequence(path: cache.path, video: clip)
                }
                return try Row(
                    path: clip, label: row.get("label"), split: row.get("split"), group: row.get("group"),
                    length: length, indices: numbers("frame_indices"), times: numbers("frame_times"), rowID: row.get(0))
            }
        }
        // Of the whole data set, so that all splits have the same classes, if clips have several labels.
        let task = try cache.task(dataset: export.dataset)
        (self.task, classes) = try (
            task, task == .classification ? Set(rows.map(\.label)).sorted() : cache.labels(dataset: export.dataset)
        )
    }

    /// Writes `header`, then the features of all rows as stored, then `trailer`.
    func writeFeatures(to path: String, _ header: Data, trailer: Data = Data()) throws {
        cache.check.begin()
        defer { cache.check.remember() }
        try FileOutput.write(to: path) { output in
            try output.append(header)
            let size = maxFrames * recipe.featureSize * type.bytes
            try cache.read { database in
                let statement = try database.makeStatement(
                    sql: "SELECT features, checksum FROM sequence WHERE rowid = ?")
                for row in rows {
                    let found = try GRDB.Row.fetchOne(statement, arguments: [row.rowID])
                    try found?.withUnsafeData(atIndex: 0) { data in
                        guard let data, data.count == size else {
                            throw CacheError.damagedSequence(path: cache.path, video: row.path)
                        }
                        guard try cache.check.accepts(row.rowID, data, found?.get(1)) else {
                            throw try CacheFile.damage([row.rowID], path: cache.path, database)
                        }
                        try output.append(data)
                    }
                }
            }
            try output.append(trailer)
        }
    }

    /// Writes the format of huggingface/safetensors.
    func writeSafeTensors(to path: String) throws {
        let count = rows.count
        let featureBytes = count * maxFrames * recipe.featureSize * type.bytes
        let labels = labels
        let sizes = [
            ("lengths", "I64", [count], count * 8), ("labels", labels.safetensorsType, labels.shape, labels.data.count),
        ]
        var header: [String: Any] = [
            "features": Self.entry(type == .float16 ? "F16" : "F32", shape, 0, featureBytes),
            "__metadata__": [
                "classes": Self.json(classes), "paths": Self.json(rows.map(\.path)),
                "splits": Self.json(rows.map(\.split)), "recipe": recipe.recipe, "recipe_digest": recipe.digest,
            ],
        ]
        var end = featureBytes
        for (name, type, shape, bytes) in sizes + [("mask", "BOOL", [count, maxFrames], count * maxFrames)] {
            header[name] = Self.entry(type, shape, end, end + bytes)
            end += bytes
        }
        var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
        json.append(Data(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        let start = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) } + json
        let trailer = Self.integers(rows.map(\.length)) + labels.data + Data(mask)
        try writeFeatures(to: path, start, trailer: trailer)
    }

    private static func entry(_ type: String, _ shape: [Int], _ first: Int, _ end: Int) -> [String: Any] {
        ["dtype": type, "shape": shape, "data_offsets": [first, end]]
    }

    private static func json(_ texts: [String]) -> String {
        (try? JSONEncoder().encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }

    static func integers(_ numbers: [Int]) -> Data {
        numbers.map { Int64($0).littleEndian }.withUnsafeBytes { Data($0) }
    }
}

/// The labels of exported videos.
enum LabelArray {
    /// Of each video's class, `[video]`.
    case indices([Int])
    /// 1 for each label of a video, else 0: `[video, class]`.
    case flags([UInt8], shape: [Int])

    var shape: [Int] {
        switch self {
        case .indices(let indices): [indices.count]
        case .flags(_, let shape): shape
        }
    }

    var data: Data {
        switch self {
        case .indices(let indices): ExportTable.integers(indices)
        case .flags(let flags, _): Data(flags)
        }
    }

    var numpyType: String { if case .indices = self { "<i8" } else { "|u1" } }
    var safetensorsType: String { if case .indices = self { "I64" } else { "U8" } }
}

/// A file that is written sequentially.
struct FileOutput {
    private let handle: FileHandle
    private let path: String

    /// - Throws: `ExportError.writing`, also if the file exists.
    static func write(to path: String, _ body: (FileOutput) throws -> Void) throws {
        let handle: FileHandle
        do throws(FileError) {
            handle = try NewFile.create(path)
        } catch { throw ExportError.writing(path: path, reason: error.reason) }
        let output = FileOutput(handle: handle, path: path)
        try body(output)
        do {
            try output.handle.synchronize()
            try output.handle.close()
        } catch { throw ExportError.writing(path: path, reason: error.localizedDescription) }
    }

    func append(_ data: Data) throws {
        do { try handle.write(contentsOf: data) } catch {
            throw ExportError.writing(path: path, reason: error.localizedDescription)
        }
    }
}

/// Comma-separated values (RFC 4180 with line feeds as line ends).
package enum CSV {
    /// One line with its line feed; fields with a comma, a quote or a line break are quoted.
    package static func line(_ fields: [String]) -> String { fields.map(Escaping.csv).joined(separator: ",") + "\n" }

    package static func text(_ header: [String], _ lines: [[String]]) -> String {
        ([header] + lines).map(line).joined()
    }
}
