import Foundation
import Testing

/// Checks that texts for users use the terms of the field: string literals of the sources, including `--help` texts,
/// templates of reports, guides, pipelines and the Makefile.
@Suite struct WordsTests {
    struct Text: CustomTestStringConvertible {
        let file: String
        let pieces: [String]
        var testDescription: String { file }
    }

    /// Words to replace with the common term.
    static let words = [
        #"pictures?"#, #"whole numbers?"#, #"eight bits"#, #"what stands"#, #"stands? behind"#, #"what is left"#,
        #"found by trying"#, #"known kernels"#, #"what (its|the) bits"#, #"names? (an|the) actions?"#,
        #"named? rightly"#, #"rightly"#, #"right (pair|action)"#, #"both ways"#, #"clip networks?"#,
        #"networks? of (several frames|windows)"#, #"twins?"#, #"doubtful"#, #"odd (ones|clips?)"#, #"in one piece"#,
        #"tears?"#, #"less the mean"#, #"surest"#, #"anew"#, #"held out by"#, #"chosen by"#, #"plain view"#,
        #"known by (its|the) content"#, #"refus(e|es|ed|ing)"#, #"in words"#, #"mended"#, #"to the bit"#, #"by a bit"#,
        #"(not )?to be had"#, #"films?"#, #"per-class accuracy"#, #"of its own, %"#, #"others taken for it"#,
        #"taken for"#, #"nobody"#, #"somebody"#, #"whoever"#, #"worth (nothing|it)"#, #"says? of"#,
        #"as (it is|they are)\."#, #"deviation"#,
    ].map { #"\b"# + $0 + (($0.last == "%" || $0.hasSuffix(#"\."#)) ? "" : #"\b"#) }

    /// Names and terms that contain one of the words: a table, options, targets, keys and FFmpeg's term.
    static let allowed = [
        "SELECT * FROM twin", "`twin`", "FROM twin", "make pictures", "pictures.sh", "pictures:",
        "query pictures bench", "deviation: [", "deviation: \u{0}",
        "groups of pictures", "group of pictures", "group of\n   pictures", ".build/pictures", "a film of {}",
        "somebody lies", "standard deviation",
    ]

    private static func files(_ folder: String, _ endings: [String]) -> [String] {
        (FileManager.default.enumerator(atPath: GuideTests.root + "/" + folder)?.compactMap { $0 as? String } ?? [])
            .filter { file in endings.contains { file.hasSuffix($0) } }.sorted().map { folder + "/" + $0 }
    }

    static let texts: [Text] = {
        func text(_ file: String) -> String {
            (try? String(contentsOfFile: GuideTests.root + "/" + file, encoding: .utf8)) ?? ""
        }
        let prose =
            ["README.md", "Makefile"] + files("docs", [".md"]) + files("Sources", [".md"])
            + files("pipelines", [".yaml"])
        return files("Sources", [".swift"]).map { file in
            // Identifiers and SQL are no prose, and the schema of caches cannot change.
            Text(
                file: file,
                pieces: literals(text(file)).filter { piece in
                    piece.contains(" ")
                        && !["CREATE ", "SELECT ", "INSERT ", "UPDATE "].contains { piece.contains($0) }
                })
        } + (prose + files("Sources/Reports/Templates", [".mustache"])).map { Text(file: $0, pieces: [text($0)]) }
    }()

    @Test("the test finds all texts") func list() {
        #expect(Self.texts.count > 300)
        #expect(Self.texts.reduce(0) { $0 + $1.pieces.count } > 1000)
        #expect(Self.texts.contains { $0.pieces.contains { $0.contains("Override a key of the pipeline") } })
    }

    @Test("texts use the terms of the field", arguments: texts) func terms(text: Text) throws {
        let pattern = try Regex(Self.words.joined(separator: "|")).ignoresCase()
        for piece in text.pieces {
            let plain = Self.allowed.reduce(piece) { $0.replacing($1, with: " ") }
            for match in plain.matches(of: pattern) {
                let place = plain[..<match.range.lowerBound].suffix(60) + plain[match.range.lowerBound...].prefix(60)
                Issue.record("\(text.file): “\(plain[match.range])” in “\(place)”")
            }
        }
    }

    @Test("string literals are found without comments and interpolations") func scanner() {
        let code = #"""
            // "no"
            let a = "one \(f("two")) three"  /* "no" */
            let b = """
                four \
                "five"
                """
            let c = "six \"seven\" \\"
            """#
        let expected = ["one \u{0} three", "two", "\n    four \\\n    \"five\"\n    ", "six \\\"seven\\\" \\\\"]
        #expect(Set(Self.literals(code)) == Set(expected), "\(Self.literals(code))")
    }

    // MARK: - Scanner

    /// The string literals of Swift code; an interpolation is a zero byte, and literals inside it are listed as well.
    static func literals(_ code: String) -> [String] {
        var scanner = Scanner(code: Array(code.utf8))
        scanner.scanCode(until: nil)
        return scanner.found
    }

    private struct Scanner {
        let code: [UInt8]
        var place = 0, found: [String] = []

        func begins(_ text: String) -> Bool { code[place...].starts(with: text.utf8) }

        /// Scans code up to the parenthesis that closes an interpolation, or to the end.
        mutating func scanCode(until end: UInt8?) {
            var depth = 1
            while place < code.count {
                if begins("//") {
                    while place < code.count, code[place] != UInt8(ascii: "\n") { place += 1 }
                } else if begins("/*") {
                    while place < code.count, !begins("*/") { place += 1 }
                    place = min(code.count, place + 2)
                } else if let hashes = rawHashes() {
                    scanLiteral(hashes: hashes)
                } else {
                    if end != nil {
                        if code[place] == UInt8(ascii: "(") { depth += 1 }
                        if code[place] == UInt8(ascii: ")") { depth -= 1 }
                        if depth == 0 { return }
                    }
                    place += 1
                }
            }
        }

        /// How many `#` a literal that begins here has; nil if none begins.
        private func rawHashes() -> Int? {
            let hashes = code[place...].prefix { $0 == UInt8(ascii: "#") }.count
            let quote = place + hashes
            return quote < code.count && code[quote] == UInt8(ascii: "\"") ? hashes : nil
        }

        private mutating func scanLiteral(hashes: Int) {
            place += hashes
            let quotes = begins("\"\"\"") ? "\"\"\"" : "\""
            place += quotes.utf8.count
            let (end, escape) = (
                quotes + String(repeating: "#", count: hashes), "\\" + String(repeating: "#", count: hashes)
            )
            var text: [UInt8] = []
            while place < code.count, !begins(end) {
                if begins(escape + "(") {
                    place += escape.utf8.count + 1
                    scanCode(until: UInt8(ascii: ")"))
                    place += 1
                    text.append(0)
                } else if begins(escape) {
                    let length = min(escape.utf8.count + 1, code.count - place)
                    text += code[place..<place + length]
                    place += length
                } else {
                    text.append(code[place])
                    place += 1
                }
            }
            place += end.utf8.count
            found.append(String(decoding: text, as: UTF8.self))
        }
    }
}
