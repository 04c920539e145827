import CLibzip
import Foundation

/// The header of NumPy's `.npy` format, version 1.0: magic, length, and a description as a Python literal.
enum NumPyHeader {
    static func data(type: StoredType, shape: [Int]) -> Data { data(type == .float16 ? "<f2" : "<f4", shape) }

    /// - `description`: NumPy's dtype string, such as `<f4`.
    static func data(_ description: String, _ shape: [Int]) -> Data {
        let sizes = shape.map { "\($0)," }.joined(separator: " ")
        var text = "{'descr': '\(description)', 'fortran_order': False, 'shape': (\(sizes)), }"
        // The elements begin at a multiple of 64 bytes.
        text += String(repeating: " ", count: (64 - (text.utf8.count + 11) % 64) % 64) + "\n"
        var header = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0])
        header += withUnsafeBytes(of: UInt16(text.utf8.count).littleEndian) { Data($0) }
        return header + Data(text.utf8)
    }

    /// Strings in NumPy's representation: UTF-32, all of one length.
    static func texts(_ texts: [String]) -> Data {
        let characters = texts.map { $0.unicodeScalars.map { $0.value.littleEndian } }
        let width = max(1, characters.map(\.count).max() ?? 1)
        var data = Self.data("<U\(width)", [texts.count])
        for text in characters {
            (text + [UInt32](repeating: 0, count: width - text.count)).withUnsafeBytes { data.append(contentsOf: $0) }
        }
        return data
    }
}

/// NumPy's `.npz`: an uncompressed zip archive of arrays, from which `numpy.load` can read single arrays.
enum NumPyArchive {
    static func write(_ table: ExportTable, to path: String) throws {
        let features = path + ".features"
        defer { unlink(features) }
        try table.writeFeatures(to: features, NumPyHeader.data(type: table.type, shape: table.shape))
        var code: Int32 = 0
        guard let archive = zip_open(path, ZIP_CREATE | ZIP_EXCL, &code) else {
            throw ExportError.writing(path: path, reason: "libzip's error \(code)")
        }
        var isClosed = false
        defer { if !isClosed { zip_discard(archive) } }
        func failure() -> ExportError { .writing(path: path, reason: String(cString: zip_strerror(archive))) }
        func add(_ name: String, _ source: OpaquePointer?) throws {
            guard let source else { throw failure() }
            let index = zip_file_add(archive, "\(name).npy", source, zip_flags_t(ZIP_FL_ENC_UTF_8))
            guard index >= 0 else {
                zip_source_free(source)
                throw failure()
            }
            guard zip_set_file_compression(archive, UInt64(index), ZIP_CM_STORE, 0) == 0 else { throw failure() }
        }
        try add("features", zip_source_file(archive, features, 0, -1))
        for (name, array) in arrays(table) {
            // libzip frees the copy.
            guard let copy = malloc(array.count) else { throw failure() }
            array.copyBytes(to: UnsafeMutableRawBufferPointer(start: copy, count: array.count))
            try add(name, zip_source_buffer(archive, copy, UInt64(array.count), 1))
        }
        guard zip_close(archive) == 0 else { throw failure() }
        isClosed = true
    }

    private static func arrays(_ table: ExportTable) -> [(String, Data)] {
        let (count, frames) = (table.rows.count, table.maxFrames)
        func padded(_ values: (ExportTable.Row) -> [Double], by filler: Double) -> [Double] {
            table.rows.flatMap { row in
                let own = values(row)
                return (0..<frames).map { $0 < own.count ? own[$0] : filler }
            }
        }
        let labels = table.labels
        let times = padded(\.times, by: .nan).withUnsafeBytes { Data($0) }
        return [
            ("mask", NumPyHeader.data("|b1", [count, frames]) + Data(table.mask)),
            ("lengths", NumPyHeader.data("<i8", [count]) + ExportTable.integers(table.rows.map(\.length))),
            ("labels", NumPyHeader.data(labels.numpyType, labels.shape) + labels.data),
            ("classes", NumPyHeader.texts(table.classes)), ("paths", NumPyHeader.texts(table.rows.map(\.path))),
            ("splits", NumPyHeader.texts(table.rows.map(\.split))),
            ("groups", NumPyHeader.texts(table.rows.map { $0.group ?? "" })),
            ("times", NumPyHeader.data("<f8", [count, frames]) + times),
            (
                "indices",
                NumPyHeader.data("<i8", [count, frames])
                    + ExportTable.integers(padded(\.indices, by: -1).map { Int(exactly: $0.rounded()) ?? -1 })
            ),
        ]
    }
}
