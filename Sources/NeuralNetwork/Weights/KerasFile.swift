import CHDF5
import Escaping
import Files
import Foundation

/// A Keras weight file in HDF5: Keras 2's (one group per layer, as `keras.applications` publishes) and Keras 3's
/// `.weights.h5` (`layers/<kind>_<n>/vars/<i>`, the layer's name in an attribute). Names and shapes are Keras';
/// `Backbones` maps them to networks.
package final class KerasFile: Sendable {
    package struct Variable: Sendable, Equatable {
        /// `gamma`, `kernel`, …, or the variable's number in Keras 3's files.
        package let name: String
        /// As Keras stores it: a convolution's kernel is `[height, width, in, out]`.
        package let shape: [Int]
        /// Its path in the file, such as `/layers/gru/cell/vars/0`.
        package let dataset: String
    }

    package let path: String
    /// Variables by layer name, in the file's order; layers with one name in several models of a file are one entry.
    package let layers: [String: [Variable]]
    private let numbers: FileBytes
    /// Range of each dataset in `numbers`.
    private let places: [String: Range<Int>]

    /// Whether the bytes begin an HDF5 file.
    package static func recognizes(_ start: some Sequence<UInt8>) -> Bool {
        Array(start.prefix(8)) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    }

    /// Whether the file is HDF5, or a zip archive with one such file: Keras 3's `.keras`, or a wheel.
    package static func recognizes(path: String) -> Bool {
        guard let start = try? RegularFile.start(of: path, count: 8) else { return false }
        if recognizes(start) { return true }
        guard start.starts(with: ZippedWeights.signature), let archive = try? ZipArchive(path: path) else {
            return false
        }
        let names = archive.names
        return names.contains { $0.hasByteSuffix(ending) } && !names.contains { $0.hasByteSuffix("data.pkl") }
    }

    private static let ending = ".h5"

    package init(path: String) throws {
        self.path = path
        let start = (try? RegularFile.start(of: path, count: 8)) ?? Data()
        let read = { (file: String) in try Self.extract(path, FileBytes(path: file)) }
        let isZipped = start.starts(with: ZippedWeights.signature)
        numbers = try isZipped ? ZippedWeights.withEntry(of: path, endings: [Self.ending], read) : read(path)
        var scan = Scan(path: path, file: numbers)
        try scan.run()
        (layers, places) = (scan.layers, scan.places)
        guard !layers.isEmpty else {
            throw WeightsError.malformed(file: path, reason: "it is an HDF5 file without weights of Keras")
        }
    }

    /// Returns the elements of a variable, in Keras' order. Throws `WeightsError`.
    package func values(of variable: Variable) throws -> [Float] {
        guard let place = places[variable.dataset] else {
            throw WeightsError.malformed(file: path, reason: "it has no \(variable.dataset)")
        }
        return ElementType.float32.floats(try numbers.read(place))
    }

    /// Extracts the file's datasets in a child process, because libhdf5 crashes on some damaged files.
    private static func extract(_ path: String, _ file: FileBytes) throws -> FileBytes {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        let size = file.count
        let template = NSTemporaryDirectory() + "zoetrope-h5-XXXXXX"
        var name = Array(template.utf8CString)
        let output = mkstemp(&name)
        guard output >= 0 else {
            throw WeightsError.unreadable(
                file: path, reason: "no temporary file can be created in \(NSTemporaryDirectory())")
        }
        defer { close(output) }
        let temporary = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // The file is unlinked at once, so that it disappears however this process ends.
        defer { unlink(temporary) }
        // 16-bit elements become 32-bit, and weights hardly compress.
        let limit = UInt64(clamping: size.multipliedReportingOverflow(by: 16).partialValue &+ 1 << 20)
        // A generous limit: about 500 MB are read per second.
        let seconds = UInt32(clamping: 3 + size / 10_000_000)
        let memory = UInt64(clamping: MemoryLimit.bytes / 2)
        switch Int(file.withDescriptor { zt_h5_extract($0, output, limit, memory, seconds) }) {
        case ZT_H5_OK: return try FileBytes(path: temporary)
        case ZT_H5_TOO_LARGE: throw malformed("it claims to hold more elements than fit into its \(size) bytes")
        case ZT_H5_OUTSIDE:
            throw malformed(
                "it refers to other files: external links, external storage or virtual datasets are not read")
        case ZT_H5_FILTER:
            throw malformed("its data are compressed by a filter that needs a plugin, and plugins are not loaded")
        case ZT_H5_SYSTEM:
            throw WeightsError.unreadable(file: path, reason: "the process that reads it could not start or write")
        default: throw malformed("it is a damaged or cut-off HDF5 file")
        }
    }

    /// Parses and validates the records that `zt_h5_extract` wrote.
    private struct Scan {
        let path: String
        let file: FileBytes
        var layers: [String: [Variable]] = [:], places: [String: Range<Int>] = [:]
        private var place = 0

        init(path: String, file: FileBytes) { (self.path, self.file) = (path, file) }

        mutating func run() throws {
            while place < file.count {
                let head = try numbers(UInt32.self, 3).map { Int($0) }
                guard head[0] <= 8192, head[1] <= 512, head[2] <= 8 else { throw malformed() }
                let dataset = try text(head[0])
                let group = try text(head[1])
                let shape = try numbers(UInt64.self, head[2]).map { Int(clamping: $0) }
                guard let count = ShapeLimits.elements(of: shape) else { throw malformed() }
                places[dataset] = try take(4 * count)
                let leaf = dataset.splitBytes("/").last.map(String.init) ?? dataset
                let name = leaf.droppingByteSuffix(":0").map(String.init) ?? leaf
                let layer = Self.layer(of: dataset, attribute: group)
                layers[layer, default: []].append(Variable(name: name, shape: shape, dataset: dataset))
            }
        }

        private func malformed() -> WeightsError { .malformed(file: path, reason: "its structure is invalid") }

        private mutating func take(_ count: Int) throws -> Range<Int> {
            guard count <= file.count - place else { throw malformed() }
            defer { place += count }
            return place..<place + count
        }

        private mutating func text(_ count: Int) throws -> String {
            String(decoding: try file.read(take(count)), as: UTF8.self)
        }

        private mutating func numbers<Number: FixedWidthInteger>(_: Number.Type, _ count: Int) throws -> [Number] {
            let size = MemoryLayout<Number>.size
            let bytes = try file.read(take(count * size))
            return bytes.withUnsafeBytes { raw in
                (0..<count).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Number.self) }
            }
        }

        /// Keras 3 stores the layer's name as an attribute of `vars`. `.h5` files name the innermost group after the
        /// layer, and the enclosing group after the layer or after a model that contains it.
        private static func layer(of dataset: String, attribute: String) -> String {
            let groups = dataset.splitBytes("/").dropLast().map(String.init)
            if groups.last == "vars", !attribute.isEmpty { return attribute }
            // An optimiser's slot variables use the layer's name too.
            if let first = groups.first, first.hasBytePrefix("optimizer") { return first }
            return groups.last ?? "/"
        }
    }
}
