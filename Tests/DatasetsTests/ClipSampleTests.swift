import Datasets
import Testing

@Suite struct ClipSampleTests {
    @Test("a sample has few clips of few classes, with every split's share") func sample() {
        let clips = (0..<400).map { index in
            Clip(path: "clip\(1000 + index)", label: "class\(10 + index % 20)", split: index < 300 ? .train : .test)
        }
        let chosen = ClipSample(classes: 5, clipsPerClass: 8).choose(from: clips)
        #expect(chosen.count == 40)
        #expect(Set(chosen.map(\.label)) == ["class12", "class16", "class20", "class24", "class28"])
        #expect(chosen.count { $0.split == .test } == 10)
        #expect(chosen.map(\.path) == chosen.map(\.path).sorted())
        #expect(ClipSample(classes: 50, clipsPerClass: 50).choose(from: clips) == clips)
        #expect(ClipSample(classes: 2, clipsPerClass: 2).choose(from: []).isEmpty)
    }
}
