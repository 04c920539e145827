import Escaping
import Testing

/// Characters with a special meaning in some format, alone and fused into one grapheme cluster with a neighbour.
private let special = ["'", "\"", "<", ">", "&", ",", "%", "\\", "`"]
private let fused = special.flatMap { [$0, "\u{600}" + $0, $0 + "\u{301}", "\u{600}" + $0 + "\u{301}"] }

@Suite struct EscapingTests {
    @Test(arguments: fused) func htmlHasNoSpecialByteLeft(text: String) {
        let bytes = Array(Escaping.html("a" + text + "b").utf8)
        for byte in "<>\"'`".utf8 { #expect(!bytes.contains(byte)) }
        // An ampersand only begins an entity.
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#96;"]
        for place in bytes.indices where bytes[place] == UInt8(ascii: "&") {
            #expect(entities.contains { bytes[place...].starts(with: $0.utf8) })
        }
    }

    @Test(arguments: fused) func gnuplotStringsHoldOnlyLettersDigitsSpacesAndOctalEscapes(text: String) throws {
        let bytes = Array(Escaping.gnuplot("a" + text + "\n\u{0}b").utf8)
        #expect(bytes.first == UInt8(ascii: "\"") && bytes.last == UInt8(ascii: "\""))
        #expect(try #/"([A-Za-z0-9 ]|\\[0-7]{3})*"/#.wholeMatch(in: String(decoding: bytes, as: UTF8.self)) != nil)
        let backquote = "\\140"
        #expect(!Escaping.gnuplot(text).containsBytes(backquote))
    }

    @Test func gnuplotStringsKeepTheTextAndDoublePercentInFormats() {
        #expect(Escaping.gnuplot("jump 1") == "\"jump 1\"")
        // Behind a leading 0, gnuplot reads four octal digits: `\0550` would be `h`.
        #expect(Escaping.gnuplot("label-00") == "\"label\\005500\"" && Escaping.gnuplot("é1") == "\"\\303\\2511\"")
        #expect(Escaping.gnuplot("é") == "\"\\303\\251\"")
        #expect(Escaping.gnuplot("5%") == "\"5\\0045\"")
        #expect(Escaping.gnuplot("5%\u{301}", isFormat: true) == "\"5\\0045\\0045\\314\\201\"")
        #expect(Escaping.gnuplot("a`b\u{202E}c\u{600}") == Escaping.gnuplot("a\u{FFFD}b\u{FFFD}c\u{FFFD}"))
    }

    @Test(arguments: fused) func fieldsOfCSVAreReadBackByBytes(text: String) {
        let line = Escaping.csv("x" + text) + "," + Escaping.csv("y")
        // RFC 4180, byte by byte.
        var (fields, isQuoted) = ([[UInt8]()], false)
        var bytes = line.utf8.makeIterator()
        var next = bytes.next()
        while let byte = next {
            next = bytes.next()
            if byte == UInt8(ascii: "\"") {
                if isQuoted, next == byte {
                    fields[fields.count - 1].append(byte)
                    next = bytes.next()
                } else {
                    isQuoted.toggle()
                }
            } else if byte == UInt8(ascii: ","), !isQuoted {
                fields.append([])
            } else {
                fields[fields.count - 1].append(byte)
            }
        }
        #expect(fields == [Array(("x" + text).utf8), Array("y".utf8)])
    }

    @Test func fieldsOfCSVQuoteLineBreaks() {
        #expect(Escaping.csv("a\r\nb") == "\"a\r\nb\"")
        #expect(Escaping.csv("a\n\u{301}b") == "\"a\n\u{301}b\"")
        #expect(Escaping.csv("plain") == "plain")
    }

    @Test func terminalsGetNoControls() {
        let text = "a\u{1B}[31m\rb\u{9B}2J\u{202E}c\u{2066}\u{7F}\u{85}\u{2028}\n"
        let shown = #"a\u{1b}[31m\u{d}b\u{9b}2J\u{202e}c\u{2066}\u{7f}\u{85}\u{2028}\u{a}"#
        #expect(Escaping.visible(text) == shown)
        #expect(Escaping.visible("a\nb\r\n", keepingLines: true) == "a\nb\\u{d}\n")
        #expect(Escaping.visible("\r\u{301}") == "\\u{d}\u{301}")
        // Letters, joiners and marks without effect on terminals are unchanged.
        for text in ["é", "e\u{301}", "\u{600}'", "👩\u{200D}🚀", "می\u{200C}خواهم"] {
            #expect(Escaping.visible(text) == text)
        }
    }

    @Test func jsonIsTheSameValueWithoutMarkupOrControls() {
        let text = "{\"a\":\"<\u{301}/script>&\u{202E}\u{85}\u{7F}\"}"
        #expect(Escaping.json(text) == "{\"a\":\"\\u003c\u{301}/script\\u003e\\u0026\\u202e\\u0085\\u007f\"}")
    }
}

@Suite struct ByteSearchTests {
    @Test func searchesSeeBytesWhereSwiftSeesCharacters() {
        let path = "../\u{301}x"
        #expect(!path.contains("/") && path.splitBytes("/").map(String.init) == ["..", "\u{301}x"])
        #expect("/\u{301}x".hasBytePrefix("/") && !"/\u{301}x".hasPrefix("/"))
        #expect("x\u{600}.mp4".hasByteSuffix(".mp4"))
        #expect("a\u{600}'b".containsBytes("'") && !"a".containsBytes("b"))
        #expect("a,,b".splitBytes(",", omittingEmptySubsequences: false).map(String.init) == ["a", "", "b"])
        #expect("a=b=c".splitBytes("=", maxSplits: 1).map(String.init) == ["a", "b=c"])
        #expect("aXbX\u{301}".replacingBytes("X", with: "YY") == "aYYbYY\u{301}")
    }

    @Test func linesEndWithEveryLineBreakOnce() {
        #expect("a\r\nb\nc\rd".byteLines().map(String.init) == ["a", "b", "c", "d"])
        #expect("a\n\nb\r\n\r\n".byteLines().map(String.init) == ["a", "", "b", ""])
        #expect("a\n\u{301}b".byteLines().map(String.init) == ["a", "\u{301}b"])
        #expect("".byteLines().isEmpty)
    }
}

@Suite struct BytePrefixTests {
    @Test("prefixes and suffixes are compared by bytes, whatever combining characters follow")
    func parts() {
        #expect("module.weight".droppingBytePrefix("module.") == "weight")
        #expect(
            "module.\u{301}weight".droppingBytePrefix("module.").map { Array($0.utf8) } == Array("\u{301}weight".utf8))
        #expect("weight".droppingBytePrefix("module.") == nil)
        #expect("kernel:0".droppingByteSuffix(":0") == "kernel")
        #expect("a/data.pkl".droppingByteSuffix("data.pkl") == "a/")
        #expect("".droppingByteSuffix(":0") == nil)
        #expect("x".droppingBytePrefix("") == "x")
    }
}
