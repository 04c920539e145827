import Foundation
import TestSupport
import Testing
@testable import Files

@Suite struct RegularFileTests {
    let folder = ScratchFolder()

    @Test func readsRegularFilesWholeMappedAndAtTheirStart() throws {
        let path = try folder.file("a.txt", "0123456789")
        #expect(try RegularFile.contents(path) == Data("0123456789".utf8))
        #expect(try RegularFile.mapped(path) == Data("0123456789".utf8))
        #expect(try RegularFile.start(of: path, count: 4) == Data("0123".utf8))
        #expect(try RegularFile.text(path) == "0123456789")
        #expect(try RegularFile.mapped(try folder.file("empty", "")).isEmpty)
        // More bytes than `fstat` reports.
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
        #expect(throws: FileError(path: missing, problem: .missing)) { try RegularFile.open(missing) }
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

@Suite struct FolderEntryTests {
    @Test(
        "entries are files, folders, targets of links, and special files; hidden ones are ignored",
        .timeLimit(.minutes(1)))
    func kinds() throws {
        let scratch = ScratchFolder()
        for name in ["file", "folder/inside", ".hidden", "Thumbs.db", "desktop.ini", "__MACOSX/a"] {
            try scratch.file(name)
        }
        try #require(mkfifo(scratch.path + "/pipe", 0o600) == 0)
        for (link, target) in [
            ("to file", "file"), ("to folder", "folder"), ("to pipe", "pipe"), ("zero", "/dev/zero"),
            ("gone", "nowhere"), ("self", "self"),
        ] { try #require(symlink(target, scratch.path + "/" + link) == 0) }
        let entries = try FolderEntry.entries(of: scratch.path)
        let kinds = Dictionary(entries.map { ($0.name, $0.kind) }, uniquingKeysWith: { first, _ in first })
        #expect(
            kinds == [
                "file": .file, "folder": .folder, "pipe": .special("a named pipe"), "to file": .file,
                "to folder": .folder, "to pipe": .special("a named pipe"), "zero": .special("a device"),
                "gone": .unreachable("No such file or directory"),
                "self": .unreachable("Too many levels of symbolic links"),
            ])
        #expect(entries.filter(\.isLink).count == 6)
    }

    @Test("a name that is not UTF-8 is printed as bytes") func bytes() throws {
        let scratch = ScratchFolder()
        let bytes = Array((scratch.path + "/latin").utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0]
        let descriptor = open(bytes, O_CREAT | O_WRONLY, 0o600)
        // Not every file system accepts such names.
        guard descriptor >= 0 else { return }
        close(descriptor)
        let entry = try #require(try FolderEntry.entries(of: scratch.path).first)
        #expect(entry.name == #"latin\xE9"# && !entry.isUTF8 && entry.kind == .file)
        unlink(bytes)
    }

    @Test("a path that is missing or no folder is an error; a pipe is not waited for", .timeLimit(.minutes(1)))
    func noFolder() throws {
        let scratch = ScratchFolder()
        try #require(mkfifo(scratch.path + "/pipe", 0o600) == 0)
        for name in ["pipe", "none", "a\0b"] {
            #expect(throws: FileError.self) { try FolderEntry.entries(of: scratch.path + "/" + name) }
        }
    }

    @Test("the error for a socket says that it is one") func socket() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/socket"
        try #require(mknod(path, S_IFSOCK | 0o600, 0) == 0)
        let error = #expect(throws: FileError.self) { try RegularFile.open(path) }
        #expect(error?.problem == .notRegular("a socket"))
    }
}

@Suite struct OutputPathTests {
    private func problem(_ body: () throws -> Void) -> OutputError? {
        do { try body() } catch { return error as? OutputError }
        return nil
    }

    @Test("an output path must be free or a regular file, in an existing folder") func files() throws {
        let scratch = ScratchFolder()
        let file = try scratch.file("a.txt")
        for path in [nil, file, scratch.path + "/new", scratch.path + "/./x y"] {
            #expect(problem { try OutputPath.requireFile(path, "--x") } == nil)
        }
        #expect(problem { try OutputPath.requireFile("", "--x") } == .empty(option: "--x"))
        let folder = scratch.path + "/none"
        #expect(
            problem { try OutputPath.requireFile(folder + "/f", "--x") }
                == .missingFolder(option: "--x", path: folder + "/f", folder: folder))
        for (path, what) in [
            (scratch.path, "a folder"), ("/dev/null", "a device"), (folder + "/", "the name of a folder"),
        ] {
            #expect(
                problem { try OutputPath.requireFile(path, "--x") } == .occupied(option: "--x", path: path, by: what))
        }
        #expect(
            problem { try OutputPath.requireFile(file + "/f", "--x") }
                == .notWritable(option: "--x", path: file + "/f", reason: "\(file) is not a folder"))
        #expect(problem { try OutputPath.requireFile("/proc/x", "--x") } == nil || geteuid() != 0)
        let long = scratch.path + "/" + String(repeating: "x", count: 300)
        #expect(
            problem { try OutputPath.requireFile(long, "--x") }
                == .notWritable(option: "--x", path: long, reason: "File name too long"))
    }

    @Test("an output folder may be missing, but its parent must be a folder") func folders() throws {
        let scratch = ScratchFolder()
        let file = try scratch.file("a.txt")
        for path in [nil, scratch.path, scratch.path + "/a/b/c", "new"] {
            #expect(problem { try OutputPath.requireFolder(path, "--x") } == nil)
        }
        #expect(problem { try OutputPath.requireFolder("", "--x") } == .empty(option: "--x"))
        #expect(
            problem { try OutputPath.requireFolder(file, "--x") }
                == .occupied(option: "--x", path: file, by: "a regular file"))
        #expect(
            problem { try OutputPath.requireFolder(file + "/b/c", "--x") }
                == .notWritable(option: "--x", path: file + "/b/c", reason: "\(file) is not a folder"))
    }

    @Test(
        "the folder of a path is found, also for names of one character",
        arguments: [
            ("s", "."), ("a.b", "."), ("./c", "."), ("/c", "/"), ("/", "/"), ("a/b", "a"), ("/a/b/", "/a"), ("é", "."),
            ("a//b", "a"),
        ])
    func parent(path: String, folder: String) { #expect(OutputPath.parent(of: path) == folder) }
}

@Suite struct PathNameTests {
    @Test(
        "a path's name, extension and stem equal Foundation's, also where Foundation crashes",
        arguments: [
            ("a/b.mp4", "b.mp4", "mp4", "a/b"), ("b", "b", "", "b"), (".hidden", ".hidden", "", ".hidden"),
            ("", "", "", ""),
            ("a.d/b", "b", "", "a.d/b"), ("a.", "a.", "", "a."), ("a.tar.gz", "a.tar.gz", "gz", "a.tar"),
            ("..", "..", "", ".."),
            ("a/b.c/", "b.c", "c", "a/b"), ("/\u{301}", "\u{301}", "", "/\u{301}"),
            ("a/\u{301}.MOV", "\u{301}.MOV", "MOV", "a/\u{301}"),
            ("x.\u{301}y", "x.\u{301}y", "\u{301}y", "x"), ("é/\u{0}.\r\n", "\u{0}.\r\n", "\r\n", "é/\u{0}"),
        ])
    func parts(path: String, name: String, ending: String, rest: String) {
        #expect(path.fileName.utf8.elementsEqual(name.utf8), "\(path)")
        #expect(path.fileExtension.utf8.elementsEqual(ending.utf8), "\(path)")
        #expect(path.droppingFileExtension.utf8.elementsEqual(rest.utf8), "\(path)")
    }
}
