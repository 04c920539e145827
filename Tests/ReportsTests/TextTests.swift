import SequenceModels
import Testing
import Video

@testable import Reports

@Suite struct TextTests {
    @Test("columns are aligned and lines carry no trailing blanks") func table() {
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

    @Test("numbers are grouped and rounded") func numbers() {
        #expect([0, 999, 1000, 60_192_808, -1234].map(grouped) == ["0", "999", "1,000", "60,192,808", "-1,234"])
        #expect(grouped(.min) == "-9,223,372,036,854,775,808")
        #expect(decimal(11.4567, 1) == "11.5")
        #expect(decimal(0.05, 3) == "0.050")
        #expect(decimal(-0.0001, 2) == "0.00")
        #expect(decimal(-2.5, 0) == "-3")
        #expect(decimal(.nan, 2) == "–" && decimal(.infinity, 2) == "∞")
        #expect(percent(0.98765) == "98.8 %")
    }

    @Test("times and stretches of frames that a file may state end nothing") func hostileNumbers() {
        #expect(Timeline.clock(62.345) == "1:02.35")
        for seconds in [Double.nan, .infinity, -.infinity, 1e300] { #expect(!Timeline.clock(seconds).isEmpty) }
        #expect(Band.bands([], row: 0).isEmpty)
        let picture = RGBImage(width: 2, height: 2, [10, 20, 30])
        for value in [Float.nan, .infinity, -.infinity, -1] {
            let frames = [ClassActivation.Frame(time: 0, picture: picture, map: [value, 1, 0.5, 0])]
            let activation = ClassActivation(
                video: "v", label: "run", probability: .nan, height: 2, width: 2, frames: frames)
            #expect(activation.overlays.count == 1)
        }
    }
}
