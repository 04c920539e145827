import Files
import Foundation
import TestSupport
import Testing

@Suite struct OutputPathTests {
    private func problem(_ body: () throws -> Void) -> OutputError? {
        do { try body() } catch { return error as? OutputError }
        return nil
    }

    @Test("a file needs a name that is free or a regular file's, in a folder") func files() throws {
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

    @Test("a folder may be missing, but what is above it must be a folder") func folders() throws {
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
        "the folder of a path, down to names of one character",
        arguments: [
            ("s", "."), ("a.b", "."), ("./c", "."), ("/c", "/"), ("/", "/"), ("a/b", "a"), ("/a/b/", "/a"), ("é", "."),
            ("a//b", "a"),
        ])
    func parent(path: String, folder: String) { #expect(OutputPath.parent(of: path) == folder) }
}
