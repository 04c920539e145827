import Foundation
import TestSupport
import Testing

@testable import Files

@Suite struct FolderEntryTests {
    @Test(
        "entries are files, folders, what links lead to, and things that are neither; hidden ones are ignored",
        .timeLimit(.minutes(1)))
    func kinds() throws {
        let scratch = ScratchFolder()
        for name in ["file", "folder/inside", ".hidden", "Thumbs.db", "desktop.ini", "__MACOSX/a"] {
            try scratch.file(name)
        }
        try #require(mkfifo(scratch.path + "/pipe", 0o600) == 0)
        for (link, target) in [
            ("to file", "file"), ("to folder", "folder"), ("to pipe", "pipe"), ("zero", "/dev/zero"),
            ("gone", "nowhere"),
            ("self", "self"),
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

    @Test("a name that is not UTF-8 is shown with its bytes") func bytes() throws {
        let scratch = ScratchFolder()
        let bytes = Array((scratch.path + "/latin").utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0]
        let descriptor = open(bytes, O_CREAT | O_WRONLY, 0o600)
        // Not every file system takes such names.
        guard descriptor >= 0 else { return }
        close(descriptor)
        let entry = try #require(try FolderEntry.entries(of: scratch.path).first)
        #expect(entry.name == #"latin\xE9"# && !entry.isUTF8 && entry.kind == .file)
        unlink(bytes)
    }

    @Test("what is no folder, or is missing, is an error; a pipe is not waited for", .timeLimit(.minutes(1)))
    func noFolder() throws {
        let scratch = ScratchFolder()
        try #require(mkfifo(scratch.path + "/pipe", 0o600) == 0)
        for name in ["pipe", "none", "a\0b"] {
            #expect(throws: FileError.self) { try FolderEntry.entries(of: scratch.path + "/" + name) }
        }
    }

    @Test("a socket is named as one") func socket() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/socket"
        try #require(mknod(path, S_IFSOCK | 0o600, 0) == 0)
        let error = #expect(throws: FileError.self) { try RegularFile.check(path) }
        #expect(error?.problem == .notRegular("a socket"))
    }
}
