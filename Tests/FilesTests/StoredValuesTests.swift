import Foundation
import TestSupport
import Testing
@testable import Files

@Suite struct StoredValuesTests {
    @Test("products of sizes are limited and never overflow") func products() {
        #expect([2, 3, 4].checkedProduct() == 24)
        #expect([Int]().checkedProduct() == 1)
        #expect([5, 0].checkedProduct() == 0)
        #expect([2, 3].checkedProduct(atMost: 6) == 6)
        #expect([2, 3].checkedProduct(atMost: 5) == nil)
        for sizes in [[-1], [1, .min], [.max, 2], [0, 1 << 62, 1 << 62], [1 << 62, 1 << 62, 0]] {
            #expect(sizes.checkedProduct() == nil, "\(sizes)")
        }
    }

    @Test("ranges accept finite numbers only, and errors print the range") func ranges() {
        let wanted: [(NumberRange, inside: [Double], outside: [Double], String)] = [
            (.positive, [.leastNonzeroMagnitude, 1e308], [0, -1], "above 0"),
            (.nonNegative, [0, 7], [-.leastNonzeroMagnitude], "of at least 0"),
            (.share, [0, 0.99], [1, -0.1], "from 0 to below 1"), (.factor, [0.5], [0, 1], "between 0 and 1"),
            (.probability, [0, 1], [1.1, -0.1], "from 0 to 1"),
            (.positive(atMost: 9), [1, 9], [0, 9.5], "above 0, at most 9"),
        ]
        for (range, inside, outside, words) in wanted {
            #expect(inside.allSatisfy(range.contains), "\(range)")
            #expect(!(outside + [.nan, .infinity, -.infinity]).contains(where: range.contains), "\(range)")
            #expect("\(range)" == words)
        }
        #expect((1...9).words == "from 1 to 9" && (0...Int.max).words == "of at least 0")
    }

    @Test("errors in a document name the key") func invalidValues() throws {
        struct Document: Decodable {
            struct Part: Decodable { let sizes: [Int] }
            let part: Part
        }
        func words(_ json: String) -> String {
            let error = #expect(throws: (any Error).self) {
                try JSONDecoder().decode(Document.self, from: Data(json.utf8))
            }
            return error.map { InvalidValue($0).words } ?? ""
        }
        #expect(words("{\"part\":{\"sizes\":[1,\"a\"]}}") == "`part.sizes.1` has a value of another type")
        #expect(words("{\"part\":{}}") == "`part.sizes` is missing")
        #expect(words("{\"part\":null}") == "`part` has no value")
        #expect(words("{") == "it is not valid JSON")
        let error = #expect(throws: InvalidValue.self) { try InvalidValue.check(0, "every", in: 1...9) }
        #expect(error?.words == "`every` is 0, not from 1 to 9")
        #expect(throws: InvalidValue.self) { try InvalidValue.check(Double.nan, "rate", in: .positive) }
        try InvalidValue.check(nil as Int?, "every", in: 1...9)
    }
}

@Suite struct JSONLimitsTests {
    @Test("JSON objects and values are counted outside of strings only") func sizes() {
        let size = JSONLimits.size(Data(#"{"a[[[\"{{": [1, {"b": "\\"}], "c": {}}"#.utf8))
        #expect((size.depth, size.objects, size.values, size.hasZeroBytes) == (3, 3, 9, false))
        #expect(JSONLimits.size(Data()) == JSONLimits.size(Data("1".utf8)))
        #expect(JSONLimits.problem(Data("]]]]}}[[".utf8)) == nil)
    }

    @Test("deep nesting, many values and UTF-16 are rejected with a reason, in time linear in the text")
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
