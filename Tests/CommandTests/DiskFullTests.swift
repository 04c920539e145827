import Foundation
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: SmallDisk.isPossible, "needs root and mount")) struct DiskFullTests {
    /// Runs a command on disks of growing size until it succeeds. After each failure the disk is enlarged, stored
    /// features must be intact, and the command must then finish as if no failure had happened.
    private func filling(
        _ command: [String], in place: Workplace, prepare: (_ disk: String) throws -> Void,
        check: (_ disk: String, _ kilobytes: Int) throws -> Void
    ) throws {
        // Every page of 4 KB in `make faults`; a sample of them in `make test`.
        let step = faultRounds > 10 ? 4 : 64
        var kilobytes = 4, failures = 0
        while true {
            let disk = try SmallDisk(kilobytes: kilobytes)
            do { try prepare(disk.path) } catch {
                kilobytes += step
                continue
            }
            let arguments = command.map { $0.replacing("DISK", with: disk.path) }
            let result = try place.run(arguments)
            if result.status == 0 { break }
            failures += 1
            let isTold = ["full", "No space left", "enough space", "MB are free on the disk of"].contains(
                where: result.error.contains)
            #expect(result.status == 1 && isTold, "\(kilobytes) KB: \(result.status) \(result.error)")
            try disk.grow()
            let cache = disk.path + "/features.sqlite"
            if FileManager.default.fileExists(atPath: cache) { try place.run("cache", "verify", cache, status: 0) }
            try place.run(arguments, status: 0)
            try check(disk.path, kilobytes)
            kilobytes += step
        }
        #expect(failures > 0)
        if faultRounds > 10 { print("\(command[0]): the disk was full \(failures) times") }
    }

    @Test(
        "extract on a disk that is full at any moment: features stay, and the rest follows when there is space"
    )
    func extract() throws {
        let place = try Workplace(clips: 12)
        #expect(try place.run("extract", "p.yaml", "--cache", "whole.sqlite").status == 0)
        let whole: [String] = try place.query(ClusterTests.content, cache: "whole.sqlite")
        try filling(["extract", "p.yaml", "--cache", "DISK/features.sqlite"], in: place, prepare: { _ in }) {
            disk, size in
            let found: [String] = try Workplace.query(ClusterTests.content, path: disk + "/features.sqlite")
            #expect(found == whole, "\(size) KB")
        }
    }

    @Test("merge on a disk that is full at any moment") func merge() throws {
        let place = try Workplace(clips: 12)
        for number in 1...2 {
            _ = try place.run("extract", "p.yaml", "--cache", "part.sqlite", "--shard", "\(number)/2")
        }
        #expect(try place.run("extract", "p.yaml", "--cache", "whole.sqlite").status == 0)
        let whole: [String] = try place.query(ClusterTests.content, cache: "whole.sqlite")
        let parts = (1...2).map { "part.shard-\($0)-of-2.sqlite" }
        try filling(["cache", "merge", "DISK/features.sqlite"] + parts, in: place, prepare: { _ in }) { disk, size in
            let found: [String] = try Workplace.query(ClusterTests.content, path: disk + "/features.sqlite")
            #expect(found == whole, "\(size) KB")
        }
    }

    @Test("sequence on a disk that is full at any moment: the run is trained when there is space")
    func sequence() throws {
        let place = try Workplace(after: "extract")
        let command = [
            "sequence", "p.yaml", "--cache", "DISK/features.sqlite", "--runs", "DISK/runs", "--name", "tiny",
            "--resume",
        ]
        try filling(command, in: place) { disk in
            try FileManager.default.copyItem(atPath: place.path + "/features.sqlite", toPath: disk + "/features.sqlite")
        } check: { disk, size in
            #expect(
                try Workplace.query("SELECT state FROM run", path: disk + "/features.sqlite") == ["finished"],
                "\(size) KB")
            try place.run("evaluate", disk + "/runs/tiny", "--cache", disk + "/features.sqlite", status: 0)
        }
    }
}

/// A small disk that the test can fill: a tmpfs, which only root can mount.
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

    /// Enlarges the disk; its files are kept.
    func grow() throws { try Self.run("mount", ["-o", "remount,size=64m", path]) }

    /// Mounts it read-only, also for root.
    func freeze() throws { try Self.run("mount", ["-o", "remount,ro", path]) }

    deinit { try? Self.run("umount", ["-l", path]) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        guard try ChildProcess.run(program, arguments).status == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}

@Suite(.enabled(if: SmallDisk.isPossible, "needs root and mount")) struct ReadOnlyDiskTests {
    @Test("read-only commands work on read-only storage; the others report an error, and change nothing")
    func readOnly() throws {
        let place = try Workplace(after: "extract")
        #expect(try place.run("sequence", "p.yaml", "--name", "tiny").status == 0)
        let disk = try SmallDisk(kilobytes: 8192)
        let cache = disk.path + "/a 50% ?#file.sqlite"
        try FileManager.default.copyItem(atPath: place.path + "/features.sqlite", toPath: cache)
        try disk.freeze()

        for command in [
            ["cache", "info", cache], ["cache", "verify", cache], ["runs", "--cache", cache],
            ["evaluate", "runs/tiny", "--cache", cache], ["cache", "export", cache, "features.npz"],
            ["cache", "export", cache, "--table", "class_accuracy", "classes.csv"], ["explore", cache],
            ["similar", cache, "clips/train/run's/1.y4m"], ["dataset", "p.yaml", "--cache", cache],
        ] { try place.run(command, status: 0) }
        for command in [["extract", "p.yaml"], ["sequence", "p.yaml", "--name", "other"]] {
            let found = try place.run(command + ["--cache", cache])
            #expect(
                found.status == 1 && found.error.lowercased().contains("read-only"), "\(command[0]): \(found.error)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).count == 1)
    }
}
