import CHDF5
import Foundation
import Synchronization

/// A weight file of Keras in HDF5: Keras 2's (a group a layer, as `keras.applications` publishes) and
/// Keras 3's `.weights.h5` (`layers/<kind>_<n>/vars/<i>`, the layer's name in an attribute).
///
/// Names and shapes are Keras'; `Backbones` knows which network's they are.
public final class KerasFile: Sendable {
    /// One variable of a layer.
    public struct Variable: Sendable, Equatable {
        /// `gamma`, `kernel`, …, or the variable's number in Keras 3's files.
        public let name: String
        /// As Keras stores it: a convolution's kernel is `[height, width, in, out]`.
        public let shape: [Int]
        /// Where it is in the file, such as `/layers/gru/cell/vars/0`.
        public let dataset: String
    }

    /// The path it was read from.
    public let path: String
    /// Variables by layer name, in the file's order.
    public let layers: [String: [Variable]]
    private let file: Handle

    /// Owner of an open file. The HDF5 library must not be entered twice at the same time.
    private final class Handle: Sendable {
        let id: hid_t
        init(_ id: hid_t) { self.id = id }
        deinit { hdf5Lock.withLock { _ in zt_h5_close(id) } }
    }

    private static let maximumDepth = 12
    private static let maximumObjects = 100_000

    /// Whether the bytes are the beginning of an HDF5 file.
    public static func recognizes(_ start: some Sequence<UInt8>) -> Bool {
        Array(start.prefix(8)) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    }

    /// - Throws: `WeightsError`.
    public init(path: String) throws {
        let (handle, layers) = try hdf5Lock.withLock { _ in
            let id = zt_h5_open(path)
            guard id >= 0 else {
                throw WeightsError.malformed(file: path, reason: "it is a damaged or cut-off HDF5 file")
            }
            var scan = Scan(path: path, file: id)
            do {
                try scan.visit("/", depth: 0)
            } catch {
                zt_h5_close(id)
                throw error
            }
            return (id, scan.layers)
        }
        self.path = path
        file = Handle(handle)
        self.layers = layers
        guard !layers.isEmpty else {
            throw WeightsError.malformed(file: path, reason: "it is an HDF5 file without weights of Keras")
        }
    }

    /// The numbers of a variable, in Keras' order.
    ///
    /// - Throws: `WeightsError.malformed`.
    public func values(of variable: Variable) throws -> [Float] {
        let count = variable.shape.reduce(1, *)
        var status: Int32 = -1
        let values = [Float](unsafeUninitializedCapacity: max(count, 1)) { buffer, initialized in
            buffer.initialize(repeating: 0)
            status = hdf5Lock.withLock { _ in zt_h5_read(file.id, variable.dataset, buffer.baseAddress) }
            initialized = count
        }
        guard status == 0 else {
            throw WeightsError.malformed(file: path, reason: "the numbers of \(variable.dataset) cannot be read")
        }
        return values
    }

    /// Walks the groups and collects the datasets of numbers under their layers.
    private struct Scan {
        let path: String
        let file: hid_t
        var layers: [String: [Variable]] = [:]
        var objects = 0

        mutating func visit(_ group: String, depth: Int) throws {
            let count = zt_h5_count(file, group)
            guard count >= 0, depth < maximumDepth else {
                throw WeightsError.malformed(file: path, reason: "its group \(group) cannot be read")
            }
            for index in 0..<count {
                objects += 1
                guard objects < maximumObjects else {
                    throw WeightsError.malformed(file: path, reason: "it holds more objects than any network needs")
                }
                var name = [CChar](repeating: 0, count: 512)
                let kind = zt_h5_child(file, group, UInt64(index), &name, name.count)
                let child = (group == "/" ? "/" : group + "/") + Self.text(name)
                switch Int(kind) {
                case ZT_H5_GROUP: try visit(child, depth: depth + 1)
                case ZT_H5_DATASET: try add(child, in: group)
                case ..<0: throw WeightsError.malformed(file: path, reason: "its object \(child) cannot be read")
                default: break
                }
            }
        }

        private mutating func add(_ dataset: String, in group: String) throws {
            var dimensions = [UInt64](repeating: 0, count: 8)
            let rank = zt_h5_shape(file, dataset, &dimensions, 8)
            guard rank >= 0 else { return }
            let shape = dimensions.prefix(Int(rank)).map { Int(clamping: $0) }
            var count = 1
            for dimension in shape {
                let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
                guard !overflow, product <= 1 << 30 else {
                    throw WeightsError.malformed(file: path, reason: "\(dataset) claims the shape \(shape)")
                }
                count = product
            }
            let leaf = dataset.split(separator: "/").last.map(String.init) ?? dataset
            let name = leaf.hasSuffix(":0") ? String(leaf.dropLast(2)) : leaf
            layers[layer(of: group), default: []].append(Variable(name: name, shape: shape, dataset: dataset))
        }

        /// Keras 3 keeps the layer's name as an attribute of `vars`; Keras 2 names the outermost group so.
        private func layer(of group: String) -> String {
            var text = [CChar](repeating: 0, count: 512)
            if group.hasSuffix("/vars"), zt_h5_text(file, group, "name", &text, text.count) == 0 {
                return Self.text(text)
            }
            let parts = group.split(separator: "/").map(String.init).filter { $0 != "model_weights" }
            return parts.first ?? group
        }

        private static func text(_ characters: [CChar]) -> String {
            String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}

/// HDF5 is one library for the whole process, and not thread-safe.
private let hdf5Lock = Mutex<Void>(())
