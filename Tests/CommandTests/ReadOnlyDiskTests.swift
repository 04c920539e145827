import Foundation
import Testing

@Suite(.enabled(if: SmallDisk.isPossible, "needs root and mount")) struct ReadOnlyDiskTests {
    @Test("commands that only read work where nothing can be written; the others say so, and change nothing")
    func readOnly() throws {
        let place = try Workplace()
        #expect(try place.run("extract", "p.yaml").status == 0)
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
        ] { try Program.run(command, in: place.path, status: 0) }
        for command in [["extract", "p.yaml"], ["sequence", "p.yaml", "--name", "other"]] {
            let found = try Program.run(command + ["--cache", cache], in: place.path)
            #expect(
                found.status == 1 && found.error.lowercased().contains("read-only"), "\(command[0]): \(found.error)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).count == 1)
    }
}
