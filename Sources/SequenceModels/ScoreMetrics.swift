import FeatureCache

/// Metrics of the probabilities, with scikit-learn's definitions.
package struct ScoreMetrics: Sendable, Equatable {
    /// Average precision of each class against all others, in the order of `Metrics.labels`; nil for a class without
    /// clips.
    package let averagePrecision: [Double?]
    /// Expected calibration error (Guo et al. 2017) with ten bins.
    package let calibrationError: Double
    /// For two classes; nil for more, or if one has no clips.
    package let roc: ROC?

    /// ROC curve of the positive class against the other.
    package struct ROC: Sendable, Equatable, Encodable {
        package let positive: String
        /// Area under the ROC curve (AUC).
        package let area: Double
        /// The decision threshold with the largest true positive rate minus false positive rate (Youden 1950).
        package let threshold: Double
        package let truePositives, falsePositives: Double
        /// False and true positive rates as the threshold falls, from 0 to 1.
        package let curve: [Point]
        /// If clips with a probability of at least 0.5, or of at least `threshold`, are predicted to be positive.
        package let atHalf, atThreshold: Decisions

        /// From 0 to 1; precision and F1 are 0 without predictions, as scikit-learn's `zero_division=0`.
        package struct Decisions: Sendable, Equatable, Encodable {
            /// Recall is the true positive rate, specificity the true negative rate.
            package let precision, recall, f1, specificity: Double
        }

        package struct Point: Sendable, Equatable {
            /// Rates from 0 to 1.
            package let falsePositives, truePositives: Double
        }

        enum CodingKeys: String, CodingKey {
            case positive, area, threshold, truePositives, falsePositives, atHalf, atThreshold
        }
    }

    /// Over classes that have clips.
    package var meanAveragePrecision: Double {
        let known = averagePrecision.compactMap(\.self)
        return known.isEmpty ? .nan : known.reduce(0, +) / Double(known.count)
    }

    /// `predictions`: clips of unknown classes give their class an average precision of 0. `head`: classes in the order
    /// of the probabilities. `positive`: the positive class of two; nil for the second. There is no ROC curve for any
    /// other class.
    package init(_ predictions: [PredictionRecord], labels head: [String], positive: String? = nil) {
        let usable = predictions.filter { $0.probabilities.count == head.count && $0.probability.isFinite }
        let labels = Metrics.labels(of: head, and: usable.map(\.label))
        averagePrecision = labels.indices.map { place in
            // A class without scores is never predicted.
            place < head.count
                ? Self.averagePrecision(usable.map { ($0.probabilities[place], $0.label == labels[place]) }) : 0
        }
        calibrationError = Reliability(usable.map { ($0.probability, $0.label == $0.predicted) }).expectedError
        let place = positive.map(head.firstIndex) ?? 1
        if labels.count == 2, head.count == 2, let place {
            roc = Self.roc(
                usable.map { ($0.probabilities[place], $0.label == head[place]) }, positive: head[place])
        } else {
            roc = nil
        }
    }

    private typealias Step = (score: Double, positives: Double, negatives: Double)

    /// Cumulative counts at each distinct score, highest first.
    private static func steps(_ scores: [(score: Double, isPositive: Bool)]) -> [Step] {
        var steps: [Step] = []
        var (positives, negatives) = (0.0, 0.0)
        for (score, isPositive) in scores.sorted(by: { $0.score > $1.score }) {
            if isPositive { positives += 1 } else { negatives += 1 }
            if let last = steps.last, last.score == score { steps.removeLast() }
            steps.append((score, positives, negatives))
        }
        return steps
    }

    private static func averagePrecision(_ scores: [(score: Double, isPositive: Bool)]) -> Double? {
        let steps = steps(scores)
        guard let all = steps.last?.positives, all > 0 else { return nil }
        var (sum, before) = (0.0, 0.0)
        for step in steps {
            sum += (step.positives - before) / all * step.positives / (step.positives + step.negatives)
            before = step.positives
        }
        return sum
    }

    private static func roc(_ scores: [(score: Double, isPositive: Bool)], positive: String) -> ROC? {
        let steps = steps(scores)
        guard let last = steps.last, last.positives > 0, last.negatives > 0 else { return nil }
        var area = 0.0
        let none = (score: Double.infinity, positives: 0.0, negatives: 0.0)
        var (before, best) = (none, none)
        var curve = [ROC.Point(falsePositives: 0, truePositives: 0)]
        for step in steps {
            area += (step.negatives - before.negatives) * (step.positives + before.positives) / 2
            before = step
            let (right, wrong) = (step.positives / last.positives, step.negatives / last.negatives)
            curve.append(.init(falsePositives: wrong, truePositives: right))
            if right - wrong > best.positives / last.positives - best.negatives / last.negatives { best = step }
        }
        return ROC(
            positive: positive, area: area / (last.positives * last.negatives), threshold: min(1, best.score),
            truePositives: best.positives / last.positives, falsePositives: best.negatives / last.negatives,
            curve: curve, atHalf: decisions(at: steps.last { $0.score >= 0.5 } ?? none, of: last),
            atThreshold: decisions(at: best, of: last))
    }
}

extension ScoreMetrics {
    /// If the clips counted in `step` are predicted to be positive, of all clips.
    private static func decisions(at step: Step, of all: Step) -> ROC.Decisions {
        let (hits, predicted) = (step.positives, step.positives + step.negatives)
        return ROC.Decisions(
            precision: hits / max(1, predicted), recall: hits / all.positives,
            f1: 2 * hits / (predicted + all.positives), specificity: 1 - step.negatives / all.negatives)
    }
}

extension Metrics {
    /// Mean recall over the classes with clips.
    package var balancedAccuracy: Double {
        let recalls = labels.indices.compactMap(recall)
        return recalls.isEmpty ? .nan : recalls.reduce(0, +) / Double(recalls.count)
    }

    /// Mean F1 over classes that have clips or predictions.
    package var macroF1: Double {
        let scores = labels.indices.filter { perClass($0).count + predicted($0) > 0 }.map { f1($0) }
        return scores.isEmpty ? .nan : scores.reduce(0, +) / Double(scores.count)
    }

    /// Share of a class's examples that are classified correctly; nil without examples.
    package func recall(_ label: Int) -> Double? {
        let (count, correct) = perClass(label)
        return count > 0 ? Double(correct) / Double(count) : nil
    }

    /// Share of the predictions of a class that are correct; 0 without predictions, as scikit-learn's
    /// `zero_division=0`.
    package func precision(_ label: Int) -> Double {
        Double(perClass(label).correct) / Double(max(1, predicted(label)))
    }

    /// Harmonic mean of precision and recall; 0 without examples and predictions.
    package func f1(_ label: Int) -> Double {
        let (count, correct) = perClass(label)
        return 2 * Double(correct) / Double(max(1, count + predicted(label)))
    }

    /// Number of examples that are classified as a class.
    private func predicted(_ label: Int) -> Int { confusion.reduce(0) { $0 + $1[label] } }
}
