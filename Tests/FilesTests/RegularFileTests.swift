import Files
import Foundation
import Testing
import TestSupport

@Suite struct RegularFileTests {
    let folder = ScratchFolder()

    @Test func readsRegularFilesWholeMappedAndAtTheirStart() throws {
        let path = try folder.file("a.txt", "0123456789")
        #expect(try RegularFile.contents(path) == Data("0123456789".utf8))
        #expect(try RegularFile.mapped(path) == Data("0123456789".utf8))
        #expect(try RegularFile.start(of: path, count: 4) == Data("0123".utf8))
        #expect(try RegularFile.text(path) == "0123456789")
        #expect(try RegularFile.mapped(try folder.file("empty", "")).isEmpty)
        // More bytes than `fstat` says.
        #expect(try RegularFile.contents("/proc/self/status").count > 100)
    }

    @Test func refusesSpecialFilesAtOnce() throws {
        let pipe = folder.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        let link = folder.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "pipe")
        let start = ContinuousClock.now
        for path in [pipe, link] {
            #expect(throws: FileError(path: path, problem: .notRegular("a named pipe"))) {
                try RegularFile.contents(path)
            }
            #expect(throws: FileError(path: path, problem: .notRegular("a named pipe"))) {
                try RegularFile.checkUnopened(path)
            }
        }
        #expect(throws: FileError(path: "/dev/zero", problem: .notRegular("a device"))) {
            try RegularFile.contents("/dev/zero")
        }
        #expect(throws: FileError(path: folder.path, problem: .notRegular("a folder"))) {
            try RegularFile.mapped(folder.path)
        }
        #expect(ContinuousClock.now - start < soon)
    }

    @Test func refusesWhatIsMissingTooLargeOrNoText() throws {
        let missing = folder.path + "/none"
        #expect(throws: FileError(path: missing, problem: .missing)) { try RegularFile.check(missing) }
        try RegularFile.checkUnopened(missing)
        let path = try folder.file("large", "0123456789")
        #expect(throws: FileError(path: path, problem: .tooLarge(10, limit: 9))) {
            try RegularFile.contents(path, limit: 9)
        }
        let binary = try folder.file("binary", Data([0xFF, 0xFE]))
        #expect(throws: FileError.self) { try RegularFile.text(binary) }
    }

    @Test func newFilesAreNeverWrittenThroughWhatIsThere() throws {
        let target = try folder.file("target", "precious")
        let link = folder.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "target")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/dangling", withDestinationPath: "nowhere")
        for path in [target, link, folder.path + "/dangling"] {
            #expect(throws: FileError.self) { try NewFile.create(path) }
        }
        #expect(try RegularFile.text(target) == "precious")
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/nowhere"))
        let path = NewFile.partialPath(of: target)
        #expect(path != NewFile.partialPath(of: target))
        try NewFile.create(path).write(contentsOf: Data("new".utf8))
        #expect(try RegularFile.text(path) == "new")
    }
}
