import TestSupport
import Testing
@testable import Datasets

/// Compared with scikit-multilearn; `Tests/Parity/stratification_goldens.py` made the file.
@Suite struct StratificationParityTests {
    struct Golden: Decodable, Sendable {
        let folds: Int
        /// The labels of each example.
        let labels: [[Int]]
        /// Means over 20 divisions.
        let ld, ed: Double

        /// Sechidis' label distribution and examples distribution of our folds, the mean over 20 seeds.
        func ours() throws -> (ld: Double, ed: Double) {
            let examples = labels.enumerated().map { index, own in
                (label: LabelSet.text(own.map { "\($0)" }), group: String?.none, name: "\(index)")
            }
            var (ld, ed) = (0.0, 0.0)
            for seed in 0..<20 {
                let folds = try Folds.assign(folds, examples: examples, seed: UInt64(seed), task: .multilabel)
                let sizes = (0..<self.folds).map { fold in folds.count { $0 == fold } }
                ed +=
                    sizes.reduce(0) { $0 + abs(Double($1) - Double(labels.count) / Double(sizes.count)) }
                    / Double(sizes.count)
                let names = Set(labels.joined())
                for label in names {
                    let all = Double(labels.count { $0.contains(label) })
                    for (fold, size) in sizes.enumerated() {
                        let own = Double(zip(labels, folds).count { $0.contains(label) && $1 == fold })
                        let difference = own / (Double(size) - own) - all / (Double(labels.count) - all)
                        ld += abs(difference) / Double(sizes.count * names.count)
                    }
                }
            }
            return (ld / 20, ed / 20)
        }
    }

    static let goldens: [Golden] = fixture("stratification", in: .module)

    @Test("folds of clips with several labels are as balanced as those of scikit-multilearn") func parity() throws {
        var (ours, theirs) = ((ld: 0.0, ed: 0.0), (ld: 0.0, ed: 0.0))
        for golden in Self.goldens {
            let own = try golden.ours()
            // The means of 20 divisions differ from those of others by some hundredths.
            #expect(
                own.ld <= golden.ld * 1.05 + 1e-6 && own.ed <= golden.ed + 0.1, "\(own), \(golden.ld), \(golden.ed)")
            ours = (ours.ld + own.ld, ours.ed + own.ed)
            theirs = (theirs.ld + golden.ld, theirs.ed + golden.ed)
        }
        #expect(ours.ld <= theirs.ld * 0.85 && ours.ed <= theirs.ed + 1e-9, "\(ours), \(theirs)")
    }
}

@Suite struct StratificationTests {
    typealias Example = (label: String, group: String?, name: String)

    /// Clips of 40 sources of one to five clips, with up to three of five labels; a quarter has none.
    static let grouped: [Example] = {
        var generator = SplitMix64(seed: 3)
        return (0..<40).flatMap { source in
            (0..<Int.random(in: 1...5, using: &generator)).map { clip in
                let names = ["jump", "run", "sing", "talk", "walk"].shuffled(using: &generator)
                let count = source % 4 == 0 ? 0 : Int.random(in: 1...3, using: &generator)
                return (LabelSet.text(names.prefix(count)), "source\(source)", "\(source)_\(clip)")
            }
        }
    }()

    static func names(_ example: Example) -> [String] { DatasetConfiguration.Task.multilabel.names(in: example.label) }

    @Test("folds never divide a source, and spread each label and the clips without labels", arguments: [2, 3, 5])
    func folds(count: Int) throws {
        let folds = try Folds.assign(count, examples: Self.grouped, seed: 1, task: .multilabel)
        #expect(Set(folds) == Set(0..<count))
        let byGroup = Dictionary(grouping: folds.indices) { Self.grouped[$0].group }
        #expect(byGroup.values.allSatisfy { Set($0.map { folds[$0] }).count == 1 })
        func spread(_ isOwn: (Example) -> Bool) {
            let own = folds.indices.filter { isOwn(Self.grouped[$0]) }
            for fold in 0..<count {
                let share = Double(own.count { folds[$0] == fold })
                // Sources have up to five clips with several labels.
                #expect(abs(share - Double(own.count) / Double(count)) <= 4)
            }
        }
        for label in ["jump", "run", "sing", "talk", "walk"] { spread { Self.names($0).contains(label) } }
        spread { Self.names($0).isEmpty }
        spread { _ in true }
    }

    @Test("clips without labels are spread like clips with labels") func negatives() throws {
        let examples: [Example] = (0..<20).map { ($0 < 8 ? "[\"a\"]" : "[]", nil, "\($0)") }
        let folds = try Folds.assign(4, examples: examples, seed: 0, task: .multilabel)
        for fold in 0..<4 {
            #expect(folds.prefix(8).count { $0 == fold } == 2 && folds.dropFirst(8).count { $0 == fold } == 3)
        }
        let none: [Example] = (0..<9).map { ("[]", nil, "\($0)") }
        let spread = try Folds.assign(3, examples: none, seed: 0, task: .multilabel)
        #expect((0..<3).allSatisfy { fold in spread.count { $0 == fold } == 3 })
    }

    @Test("the folds and the validation split depend on the seed, not on the order of the examples") func seeded()
        throws
    {
        func folds(_ examples: [Example], _ seed: UInt64) throws -> [Int] {
            try Folds.assign(3, examples: examples, seed: seed, task: .multilabel)
        }
        func chosen(_ examples: [Example], _ seed: UInt64) -> [Bool] {
            ValidationSplit.choose(fraction: 0.3, examples: examples, seed: seed, task: .multilabel)
        }
        let reversed = Array(Self.grouped.reversed())
        #expect(try folds(Self.grouped, 1) == folds(reversed, 1).reversed())
        #expect(try folds(Self.grouped, 1) != folds(Self.grouped, 2))
        #expect(chosen(Self.grouped, 1) == chosen(reversed, 1).reversed())
        #expect(chosen(Self.grouped, 1) != chosen(Self.grouped, 2))
    }

    @Test("the validation split has its share of each label, divides no source", arguments: [0, 0.1, 0.2, 0.4])
    func validation(fraction: Double) {
        let chosen = ValidationSplit.choose(fraction: fraction, examples: Self.grouped, seed: 1, task: .multilabel)
        if fraction == 0 { #expect(!chosen.contains(true)) }
        let byGroup = Dictionary(grouping: chosen.indices) { Self.grouped[$0].group }
        #expect(byGroup.values.allSatisfy { Set($0.map { chosen[$0] }).count == 1 })
        for label in ["jump", "run", "sing", "talk", "walk"] {
            let own = chosen.indices.filter { Self.names(Self.grouped[$0]).contains(label) }
            let count = Double(own.count { chosen[$0] })
            #expect(abs(count - fraction * Double(own.count)) <= 3, "\(label) \(count) \(own.count)")
        }
    }

    @Test("a label with one source stays in train, even if its source has other labels", arguments: [0.2, 0.3, 0.45])
    func onlySource(fraction: Double) throws {
        let examples = Self.grouped + [("[\"jump\",\"only\",\"run\",\"sing\",\"talk\",\"walk\"]", nil, "only")]
        for seed in 0..<10 {
            let chosen = ValidationSplit.choose(
                fraction: fraction, examples: examples, seed: UInt64(seed), task: .multilabel)
            #expect(chosen.last == false && chosen.contains(true))
        }
    }

    @Test("a label with fewer sources than folds is an error that names the label") func tooFew() {
        let examples: [Example] = [
            ("[\"a\",\"b\"]", nil, "1"), ("[\"a\",\"b\"]", nil, "2"), ("[\"a\"]", nil, "3"), ("[]", nil, "4"),
        ]
        let error = FoldError.tooFew(label: "b", sources: 2, isGrouped: false, folds: 3, task: .multilabel)
        #expect(throws: error) { try Folds.assign(3, examples: examples, seed: 1, task: .multilabel) }
        #expect(
            error.localizedDescription == """
                The label "b" has 2 clips, fewer than the 3 folds, so some fold would have no clip with this label. \
                Use 2 folds or fewer, or leave the label out with `dataset.classes`.
                """)
        #expect(ValidationSplit.mostFolds(examples: examples, task: .multilabel) == 2)
        let lost = FoldError.lost(labels: ["b"], task: .multilabel)
        #expect(lost.localizedDescription.contains("without the label \"b\""))
    }

    @Test("the smallest fraction gives every label with several sources a clip on both sides") func smallest() throws {
        let examples: [Example] = (0..<12).map { index in
            (LabelSet.text(["all"] + (index < 3 ? ["few"] : []) + (index == 0 ? ["one"] : [])), nil, "\(index)")
        }
        let fraction = try #require(ValidationSplit.smallestFraction(examples: examples, seed: 4, task: .multilabel))
        func labels(_ fraction: Double) -> Set<String> {
            let chosen = ValidationSplit.choose(fraction: fraction, examples: examples, seed: 4, task: .multilabel)
            return Set(zip(examples, chosen).filter(\.1).flatMap { Self.names($0.0) })
        }
        #expect(labels(fraction).isSuperset(of: ["all", "few"]))
        #expect(!labels(fraction - 0.01).isSuperset(of: ["all", "few"]))
        let none: [Example] = [("[]", nil, "1"), ("[]", nil, "2")]
        #expect(ValidationSplit.smallestFraction(examples: none, seed: 0, task: .multilabel) == nil)
        #expect(ValidationSplit.mostFolds(examples: none, task: .multilabel) == nil)
    }
}
