import FeatureCache
import SequenceModels

extension Comparison {
    package var text: String {
        var parts = [
            "\(counted(clips, "clip")), \(roleText)"
                + (leftOut > 0
                    ? " (\(grouped(leftOut)) that are missing or labelled differently in some runs are left out)" : "")
        ]
        parts[0] += "\n" + ([entryTable.text] + notes).joined(separator: "\n")
        if !families.isEmpty { parts.append("Over seeds:\n" + familyTable.text) }
        if !pairs.isEmpty { parts.append("Gains, with \(testName):\n" + pairTable.text) }
        if entries.count > 1, let gains = gainTable { parts.append(gainCaption + ":\n" + gains.text) }
        return parts.joined(separator: "\n\n")
    }

    var testName: String {
        task == .classification
            ? "McNemar's exact test" : "the paired bootstrap over sources; lost and won are clips with all labels right"
    }

    /// The role of the clips as an adjective.
    var roleText: String {
        switch role {
        case "heldout": "held-out"
        case "mixed": "held-out or validation"
        default: role
        }
    }

    /// Reasons why the accuracies are not comparable, or optimistic.
    var notes: [String] {
        var notes: [String] = []
        if role == "validation" || role == "mixed" {
            notes.append(
                "Validation clips are used for model selection, so their \(task.scoreName) is optimistic"
                    + (role == "mixed" ? "; held-out clips of cross-validated runs are not." : "."))
        }
        if !hasEqualLabels {
            notes.append(
                "The runs were trained with different \(task == .classification ? "classes" : "labels"), so only clips "
                    + "that have the same in all of them are compared: the others might rank the runs differently.")
        }
        if role == "train" { notes.append("The runs were trained on these clips.") }
        for entry in entries where entry.averagedRepeats > 1 {
            notes.append(
                "\(entry.run.name): the ensemble of \(entry.averagedRepeats) repeats; `evaluate` prints the mean over "
                    + "single models.")
        }
        let diverged = entries.filter(\.diverged).map(\.run.name)
        if !diverged.isEmpty {
            notes.append("Diverged: \(diverged.joined(separator: ", ")); excluded from the selection of the best run.")
        }
        return notes
    }

    var entryTable: TextTable {
        var table = TextTable([
            ("run", .left), ("head", .left), (task.shortScoreName, .right), ("95 % interval", .left),
            ("epochs", .right),
            ("seconds", .right),
        ])
        for entry in entries {
            table.append([
                entry.run.name + (entry.diverged ? " (diverged)" : ""), entry.run.model, percent(entry.score),
                percent(entry.interval), "\(entry.run.epochs)", decimal(entry.run.seconds, 1),
            ])
        }
        return table
    }

    var familyTable: TextTable {
        var table = TextTable([
            ("head", .left), ("runs", .right), ("mean \(task.shortScoreName)", .right), ("standard deviation", .right),
        ])
        for family in families {
            table.append([
                family.model, "\(family.runs.count)", percent(family.mean), family.deviation.map(percent) ?? "–",
            ])
        }
        return table
    }

    var pairTable: TextTable {
        var table = TextTable([
            ("from", .left), ("to", .left), ("gain", .right), ("95 % interval", .left), ("lost", .right),
            ("won", .right), ("p", .right),
        ])
        for pair in pairs {
            table.append([
                pair.first, pair.second, percent(pair.gain), percent(pair.interval), "\(pair.onlyFirst)",
                "\(pair.onlySecond)", pair.probability < 0.001 ? "< 0.001" : decimal(pair.probability, 3),
            ])
        }
        return table
    }

    var gainCaption: String {
        task == .classification ? "Classes whose recall changes most" : "Labels whose average precision changes most"
    }

    /// The five classes with the largest gains and the five with the largest losses; nil if there are none.
    var gainTable: TextTable? {
        let changed = classGains.filter { $0.best != $0.first }
        guard !changed.isEmpty,
            let best = entries.max(by: { ($0.diverged ? -1 : $0.score) < ($1.diverged ? -1 : $1.score) })
        else { return nil }
        let shown = changed.count <= 10 ? changed : Array(changed.prefix(5) + changed.suffix(5))
        let hasIntervals = task == .multilabel
        var table = TextTable(
            [
                (hasIntervals ? "label" : "class", .left), ("clips", .right), (entries[0].run.name, .right),
                (best.run.name, .right),
            ]
                + (hasIntervals
                    ? [("95 % interval of the gain", .left)]
                    : [("F1, \(entries[0].run.name)", .right), ("F1, \(best.run.name)", .right)]))
        for gain in shown {
            table.append(
                [gain.label, "\(gain.clips)", percent(gain.first), percent(gain.best)]
                    + (hasIntervals ? [gain.interval.map(percent) ?? "–"] : f1(gain)))
        }
        return table
    }

    private func f1(_ gain: ClassGain) -> [String] {
        [gain.firstF1, gain.bestF1].map { $0.map(percent) ?? "–" }
    }

    package func json() throws -> String { try JSONText.of(self) }
}
