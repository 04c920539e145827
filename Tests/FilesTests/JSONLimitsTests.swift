import Files
import Foundation
import TestSupport
import Testing

@Suite struct JSONLimitsTests {
    @Test("what a text contains is counted outside of its strings") func sizes() {
        let size = JSONLimits.size(Data(#"{"a[[[\"{{": [1, {"b": "\\"}], "c": {}}"#.utf8))
        #expect((size.depth, size.objects, size.values, size.hasZeroBytes) == (3, 3, 9, false))
        #expect(JSONLimits.size(Data()) == JSONLimits.size(Data("1".utf8)))
        #expect(JSONLimits.problem(Data("]]]]}}[[".utf8)) == nil)
    }

    @Test("deep nesting, many values and UTF-16 are refused with a reason, in time in proportion to the text")
    func problems() throws {
        let start = ContinuousClock.now
        let deep = Data(String(repeating: "[", count: 1_000_000).utf8)
        #expect(JSONLimits.problem(deep) == "its JSON is nested more than 64 levels deep")
        #expect(JSONLimits.problem(Data(String(repeating: "[", count: 64).utf8)) == nil)
        let many = Data(("[" + String(repeating: "1,", count: 1_000_000) + "1]").utf8)
        #expect(JSONLimits.problem(many) == "its JSON has more than 1000000 values")
        #expect(JSONLimits.problem(Data([0x7B, 0, 0x7D, 0])) == "it is not JSON in UTF-8")
        #expect(ContinuousClock.now - start < soon)
        let folder = ScratchFolder()
        let path = try folder.file("deep.json", deep)
        #expect(throws: FileError.self) { try RegularFile.json(path) }
        #expect(throws: FileError.self) { try RegularFile.json(path, limit: 10) }
        #expect(try RegularFile.json(folder.file("a.json", "{}")) == Data("{}".utf8))
    }
}
