import CLibzip
import Foundation

/// Owns an archive opened by libzip. Each entry's checksum is verified, unless it has none: PyTorch writes 0 after
/// `torch.serialization.set_crc32_options(False)`. `@unchecked Sendable`: libzip's handle is not tied to a thread, and
/// `PyTorchArchive` keeps the value in a `Mutex` from its creation.
struct ZipArchive: ~Copyable, @unchecked Sendable {
    private let handle: OpaquePointer
    private let path: String
    /// Size of the whole archive.
    private let bytes: Int
    let names: [String]
    /// Whether entries have no checksums, so that damage cannot be detected.
    let lacksChecksums: Bool

    private static let maximumEntries = 200_000
    /// Maximum expanded size of an archive as a multiple of its own; weights hardly compress.
    private static let maximumRatio = 64

    init(path: String) throws {
        let file = try FileBytes(path: path)
        // libzip closes the descriptor that it is given.
        let descriptor = file.withDescriptor { fcntl($0, F_DUPFD_CLOEXEC, 0) }
        guard descriptor >= 0 else {
            throw WeightsError.unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        var code: Int32 = 0
        guard let handle = zip_fdopen(descriptor, 0, &code) else {
            close(descriptor)
            throw WeightsError.malformed(file: path, reason: "it is a damaged or cut-off zip archive")
        }
        let count = Int(clamping: zip_get_num_entries(handle, 0))
        guard count <= Self.maximumEntries else {
            zip_discard(handle)
            throw WeightsError.malformed(
                file: path, reason: "it is a zip archive of \(count) entries; the limit is \(Self.maximumEntries)")
        }
        (self.handle, self.path) = (handle, path)
        bytes = file.count
        let entries = (0..<max(0, count)).compactMap { index in
            zip_get_name(handle, UInt64(index), 0).map { (name: String(cString: $0), index: UInt64(index)) }
        }
        names = entries.map(\.name)
        lacksChecksums = entries.contains { entry in
            var details = zip_stat_t()
            return zip_stat_index(handle, entry.index, 0, &details) == 0 && Self.lacksChecksum(details)
        }
    }

    deinit { zip_discard(handle) }

    /// A stored entry has checksum 0 by chance once in 2³²; compressed entries always have checksums.
    private static func lacksChecksum(_ details: zip_stat_t) -> Bool {
        details.crc == 0 && details.size > 0 && details.comp_method == UInt16(ZIP_CM_STORE)
    }

    /// Returns the bytes of an entry. `atMost`: larger declared sizes are rejected before decompression.
    func read(_ name: String, atMost limit: Int) throws -> Data {
        let details = try details(of: name, atMost: limit)
        try MemoryLimit.check(Int(details.size), of: path)
        var data = Data(capacity: Int(details.size))
        try unpack(name, details) { data.append(contentsOf: $0) }
        return data
    }

    /// Writes an entry to a file in pieces. `atMost`: larger declared sizes are rejected before decompression.
    func unpack(_ name: String, to file: FileHandle, atMost limit: Int) throws {
        try unpack(name, details(of: name, atMost: limit)) { try file.write(contentsOf: Data($0)) }
    }

    private func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }

    private func details(of name: String, atMost limit: Int) throws -> zip_stat_t {
        var details = zip_stat_t()
        guard zip_stat(handle, name, 0, &details) == 0 else { throw malformed("it lacks the entry \(name)") }
        guard details.size <= UInt64(limit) else {
            throw malformed("its entry \(name) claims \(details.size) bytes where \(limit) are expected")
        }
        let (most, overflows) = bytes.multipliedReportingOverflow(by: Self.maximumRatio)
        guard overflows || details.size <= 1 << 20 || details.size <= UInt64(most) else {
            throw malformed("its entry \(name) claims \(details.size) bytes in an archive of \(bytes)")
        }
        return details
    }

    private func unpack(_ name: String, _ details: zip_stat_t, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let entry = zip_fopen(handle, name, 0) else { throw malformed("its entry \(name) cannot be read") }
        defer { zip_fclose(entry) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { piece.deallocate() }
        var left = Int(details.size)
        while left > 0 {
            let read = zip_fread(entry, piece.baseAddress, UInt64(min(left, piece.count)))
            guard read > 0, let count = Int(exactly: read), count <= left else {
                throw malformed("its entry \(name) is damaged")
            }
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            left -= count
        }
        // libzip compares the checksum when the end is read.
        if Self.lacksChecksum(details) { return }
        guard zip_fread(entry, piece.baseAddress, 1) == 0 else { throw malformed("its entry \(name) is damaged") }
    }
}
