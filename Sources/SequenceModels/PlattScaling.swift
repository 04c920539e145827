import Foundation
import NeuralNetwork
import Threads

/// Calibration of each label's probability (Platt 1999): p = sigmoid(scale · logit + offset), fitted on clips that the
/// head was not trained on.
package struct PlattScaling: Sendable, Equatable, Codable {
    /// Slope of each class, above 0, so that calibration never changes a ranking.
    package let scale: [Double]
    package let offset: [Double]

    /// Minimises the cross-entropy with Platt's targets (n₊ + 1) / (n₊ + 2) for positives and 1 / (n₋ + 2) for
    /// negatives, as scikit-learn's `CalibratedClassifierCV(method="sigmoid")`, whose slope and intercept have the
    /// opposite sign.
    ///
    /// A class whose best slope is not positive, or whose logits are all equal, keeps the slope 1, and only its offset
    /// is fitted. A class without positives or negatives keeps 1 and 0. Non-finite logits are left out.
    ///
    /// - `logits`: `[clip, class]`.
    /// - `truth`: `[clip][class]`: whether the clip has the label. Further labels are ignored.
    package static func fit(logits: Tensor, truth: [[Bool]]) -> PlattScaling {
        let classes = logits.shape[1]
        let fits = concurrentMap(classes) { label in
            var (values, targets): ([Double], [Bool]) = ([], [])
            for (clip, row) in truth.prefix(logits.shape[0]).enumerated() where label < row.count {
                let logit = Double(logits.values[clip * classes + label])
                guard logit.isFinite else { continue }
                values.append(logit)
                targets.append(row[label])
            }
            return fit(values, targets)
        }
        return PlattScaling(scale: fits.map(\.scale), offset: fits.map(\.offset))
    }

    private static func fit(_ logits: [Double], _ truth: [Bool]) -> (scale: Double, offset: Double) {
        let positives = Double(truth.count { $0 })
        let negatives = Double(truth.count) - positives
        guard positives > 0, negatives > 0 else { return (1, 0) }
        let (high, low) = ((positives + 1) / (positives + 2), 1 / (negatives + 2))
        let targets = truth.map { $0 ? high : low }
        let start = log((positives + 1) / (negatives + 1))
        // Standardised logits, so that Newton's method does not depend on their unit.
        let mean = logits.reduce(0, +) / Double(logits.count)
        let spread = (logits.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(logits.count)).squareRoot()
        if spread > 1e-9 * max(1, abs(mean)) {
            let problem = Problem(logits: logits.map { ($0 - mean) / spread }, targets: targets)
            let (scale, offset) = problem.minimum(offset: start)
            if scale > 1e-9 { return (scale / spread, offset - scale * mean / spread) }
        }
        return (1, offset(logits, sum: targets.reduce(0, +)))
    }

    /// The offset with which the probabilities have this sum, which minimises the cross-entropy for the slope 1, by
    /// bisection. `sum`: at least 1 / (n + 2) times n and at most (n + 1) / (n + 2) times n, for n logits.
    private static func offset(_ logits: [Double], sum: Double) -> Double {
        let margin = log(Double(logits.count) + 2) + 1
        var (lower, upper) = (-(logits.max() ?? 0) - margin, -(logits.min() ?? 0) + margin)
        for _ in 0..<100 {
            let middle = lower + (upper - lower) / 2
            let found = logits.reduce(0) { $0 + 1 / (1 + exp(-($1 + middle))) }
            if found < sum { lower = middle } else { upper = middle }
        }
        return lower + (upper - lower) / 2
    }

    /// The convex cross-entropy as a function of slope and offset.
    private struct Problem {
        let logits, targets: [Double]

        /// Newton's method with step halving (Lin, Lin and Weng 2007), from slope 0.
        func minimum(offset: Double) -> (scale: Double, offset: Double) {
            var (scale, offset, loss) = (0.0, offset, loss(0, offset))
            for _ in 0..<100 {
                let step = newtonStep(scale, offset)
                var size = 1.0
                // Near the minimum, steps change the loss by less than its rounding error.
                let most = loss * (1 + 1e-12)
                while size > 1e-10, self.loss(scale + size * step.scale, offset + size * step.offset) > most {
                    size /= 2
                }
                guard size > 1e-10 else { break }
                (scale, offset) = (scale + size * step.scale, offset + size * step.offset)
                loss = self.loss(scale, offset)
                // The error after this step is about its square.
                if abs(step.scale) + abs(step.offset) < 1e-8 { break }
            }
            return (scale, offset)
        }

        private func loss(_ scale: Double, _ offset: Double) -> Double {
            var sum = 0.0
            for (logit, target) in zip(logits, targets) {
                let z = scale * logit + offset
                sum += max(z, 0) - target * z + log1p(exp(-abs(z)))
            }
            return sum
        }

        private func newtonStep(_ scale: Double, _ offset: Double) -> (scale: Double, offset: Double) {
            // Gradient and Hessian, which is regularised lest it be singular.
            var (g, gx, h, hx, hxx) = (0.0, 0.0, 1e-12, 0.0, 1e-12)
            for (logit, target) in zip(logits, targets) {
                let p = 1 / (1 + exp(-(scale * logit + offset)))
                let (slope, curvature) = (p - target, p * (1 - p))
                (g, gx) = (g + slope, gx + slope * logit)
                (h, hx, hxx) = (h + curvature, hx + curvature * logit, hxx + curvature * logit * logit)
            }
            let determinant = h * hxx - hx * hx
            return determinant > 0 ? ((hx * g - h * gx) / determinant, (hx * gx - hxx * g) / determinant) : (0, -g / h)
        }
    }
}

extension PlattScaling {
    /// Calibrated logits `[clip, class]`.
    package func callAsFunction(_ logits: Tensor) -> Tensor {
        let classes = scale.count
        precondition(logits.shape.last == classes, "logits \(logits.shape) for \(classes) classes")
        var result = logits
        for place in result.values.indices {
            let label = place % classes
            result.values[place] = Float(scale[label] * Double(logits.values[place]) + offset[label])
        }
        return result
    }
}
