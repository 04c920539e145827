import Files
import Foundation

/// The separate weight file of a large model.
final class ExternalData {
    /// The name in the model, without the folder.
    let name: String
    private let path: String
    private let handle: FileHandle
    private var offset = 0

    /// The file has another name until `finish`.
    private let temporaryPath: String

    init(path: String) throws {
        self.path = path
        name = path.fileName
        temporaryPath = NewFile.partialPath(of: path)
        do throws(FileError) {
            handle = try NewFile.create(temporaryPath)
        } catch { throw ExportError.notWritable(path: path, reason: error.reason) }
    }

    deinit {
        try? handle.close()
        try? FileManager.default.removeItem(atPath: temporaryPath)
    }

    /// - Returns: the offset of the bytes, page-aligned so that readers can map them.
    func append(_ bytes: Data) throws -> Int {
        do {
            let start = (offset + 4095) / 4096 * 4096
            try handle.write(contentsOf: Data(count: start - offset))
            try handle.write(contentsOf: bytes)
            offset = start + bytes.count
            return start
        } catch { throw ExportError.notWritable(path: path, reason: error.localizedDescription) }
    }

    func finish() throws {
        do {
            try handle.synchronize()
            try handle.close()
        } catch { throw ExportError.notWritable(path: path, reason: error.localizedDescription) }
        guard rename(temporaryPath, path) == 0 else {
            throw ExportError.notWritable(path: path, reason: String(cString: strerror(errno)))
        }
    }
}
