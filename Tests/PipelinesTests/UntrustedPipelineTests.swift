import Foundation
import Pipelines
import TestSupport
import Testing

/// Pipeline files that somebody made to end the program, to hang it or to take all memory.
@Suite struct UntrustedPipelineTests {
    let folder = ScratchFolder()

    private func refusal(_ path: String) -> String { TestSupport.refusal { _ = try Pipeline(file: path) } }

    @Test("a named pipe, a device or a file of more than 4 MB is refused at once") func files() throws {
        let pipe = folder.path + "/p.yaml"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(refusal(pipe).contains("it is a named pipe, not a regular file"))
        #expect(refusal("/dev/zero").contains("it is a device"))
        let large = try folder.file("large.yaml", Data(repeating: UInt8(ascii: " "), count: (4 << 20) + 1))
        #expect(refusal(large).contains("the limit is 4194304"))
    }

    @Test("lists nested without end are refused, on one line or on many", arguments: ["[", "{", "- ", "? ", "{a: "])
    func nesting(part: String) throws {
        let path = try folder.file(
            "deep.yaml",
            "name: x\ndataset: " + (part.hasSuffix(" ") && !part.hasPrefix("{") ? "\n  " : "")
                + String(repeating: part, count: 100_000))
        let words = refusal(path)
        // libyaml itself gives up on lists in brackets.
        #expect(words.contains("nested more than 64 levels deep") || words.contains("this is not YAML"), "\(words)")
        #expect(words.utf8.count < 3000)
    }

    @Test("values that aliases repeat are counted as if they were written out, also in keys") func aliases() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let items = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        #expect(refusal(try folder.file("laughs.yaml", text)).contains("more than 200000 values"))
        text += "? *a12\n: 1\n"
        #expect(refusal(try folder.file("keys.yaml", text)).contains("more than 200000 values"))
        #expect(!refusal(try folder.file("self.yaml", "a: &a [*a, *a]\n")).isEmpty)
    }
}
