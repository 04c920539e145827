import Foundation
import GRDB
import TestSupport
import Testing

@testable import FeatureCache

@Suite struct SQLConditionTests {
    let scratch = ScratchFolder()

    private func clips(_ condition: String) throws -> [Int] {
        let folder = ScratchFolder()
        let (cache, id) = try Example.cache(in: folder)
        let extraction = try #require(try cache.extractions().first { $0.id == id })
        let scanned = try cache.cosines(to: [[1, 0, 0]], dataset: "demo", extraction: extraction, condition: condition)
        let listed = try cache.videos(dataset: "demo", extraction: id, condition: condition)
        #expect(Set(scanned.videos.map(\.id)) == listed)
        return listed.sorted().map(Int.init)
    }

    @Test("conditions over videos and samples choose clips") func chooses() throws {
        #expect(try clips("label = 'run'").count == 1)
        #expect(try clips("duration > 1 -- and more").count == 2)
        #expect(try clips("label LIKE '%)%' OR path = 'a.mp4' /* ) */").count == 1)
        // A text that is larger than any value may be is none.
        #expect(try clips("label = printf('%.*c', 100000000, 'x')").isEmpty)
        #expect(try clips("0").isEmpty && clips("NULL").isEmpty)
        #expect(try clips("video.id IN (SELECT video_id FROM sequence WHERE length > 2)").count == 1)
    }

    static let refused = [
        "1) UNION ALL SELECT x'00', 1, x'00' FROM video WHERE (1", "1) UNION SELECT NULL WHERE (1",
        "1)) UNION ALL SELECT features, length, features FROM sequence WHERE ((1", "1); DELETE FROM video; --", "(1",
        "1; DROP TABLE video", "'", "/*", "label = ", "no_such_column = 1", "load_extension('/tmp/x.so')",
        "writefile('/tmp/x', 'y')", "readfile('/etc/passwd') IS NOT NULL", "abs(-9223372036854775808) > 0",
        "edit('x') = 1", "label = ?1", "label = :x", "1 = $a(')')", String(repeating: "1+", count: 6000) + "1",
        "1 ATTACH 'x' AS y", "fts3_tokenizer('simple') IS NOT NULL",
    ]

    @Test(
        "a condition that ends its parentheses, writes, fails or calls more than SQL's own functions is blamed",
        arguments: refused)
    func refuses(condition: String) throws {
        let error = #expect(throws: ScanError.self) { try clips(condition) }
        guard case .condition(let blamed, let reason)? = error else { return }
        #expect(blamed == condition && !reason.isEmpty)
    }

    @Test("a condition without an end ends") func endless() throws {
        let (cache, id) = try Example.cache(in: scratch)
        try cache.read { (database: Database) throws -> Void in
            #expect(throws: DatabaseError.self) {
                try CacheConnection.limited(database, milliseconds: 50) { _ in
                    try Int.fetchOne(
                        database,
                        sql:
                            "SELECT 1 IN (WITH RECURSIVE t(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t)"
                    )
                }
            }
        }
        #expect(id == 1)
    }
}
