import Foundation
import TestSupport

/// A small disk that can be filled: a tmpfs, which only root can mount.
final class SmallDisk {
    let path: String
    private let scratch: ScratchFolder

    static let isPossible: Bool = (try? SmallDisk(kilobytes: 64)) != nil

    init(kilobytes: Int) throws {
        scratch = ScratchFolder()
        path = scratch.path + "/disk"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Self.run("mount", ["-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", path])
    }

    /// Gives it more room; what is on it stays.
    func grow() throws { try Self.run("mount", ["-o", "remount,size=64m", path]) }

    /// Lets nobody write to it, not even root.
    func freeze() throws { try Self.run("mount", ["-o", "remount,ro", path]) }

    deinit { try? Self.run("umount", ["-l", path]) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        guard try ChildProcess.run(program, arguments).status == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}
