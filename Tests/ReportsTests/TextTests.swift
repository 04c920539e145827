import Testing

@testable import Reports

@Suite struct TextTests {
    @Test("columns are aligned and lines carry no trailing blanks")
    func table() {
        var table = TextTable([("name", .left), ("clips", .right), ("note", .left)])
        table.append(["a", "7", ""])
        table.append(["läufer", "1,234", "x"])
        #expect(
            table.text == """
                  name    clips  note
                  a           7
                  läufer  1,234  x
                """)
    }

    @Test("numbers are grouped and rounded")
    func numbers() {
        #expect([0, 999, 1000, 60_192_808, -1234].map(grouped) == ["0", "999", "1,000", "60,192,808", "-1,234"])
        #expect(decimal(11.4567, 1) == "11.5")
        #expect(decimal(0.05, 3) == "0.050")
        #expect(decimal(-0.0001, 2) == "0.00")
        #expect(decimal(-2.5, 0) == "-3")
        #expect(decimal(.nan, 2) == "–" && decimal(.infinity, 2) == "∞")
        #expect(percent(0.98765) == "98.8 %")
    }
}
