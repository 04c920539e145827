import Foundation

/// A range of finite numbers with its description for messages. Defined once for the pipeline reader and for the
/// validation of stored configurations.
package struct NumberRange: Sendable, Equatable, CustomStringConvertible {
    private let lower, upper: Double
    private let includesLower, includesUpper: Bool
    /// Such as "from 0 to below 1".
    package let description: String

    private init(_ lower: Double, _ upper: Double, includesLower: Bool, includesUpper: Bool, _ description: String) {
        (self.lower, self.upper, self.includesLower, self.includesUpper) = (lower, upper, includesLower, includesUpper)
        self.description = description
    }

    /// Whether a number is finite and in the range.
    package func contains(_ value: Double) -> Bool {
        value.isFinite && (includesLower ? value >= lower : value > lower)
            && (includesUpper ? value <= upper : value < upper)
    }

    package static let positive = NumberRange(0, .infinity, includesLower: false, includesUpper: false, "above 0")
    package static let nonNegative = NumberRange(
        0, .infinity, includesLower: true, includesUpper: false, "of at least 0")
    package static let share = NumberRange(0, 1, includesLower: true, includesUpper: false, "from 0 to below 1")
    package static let factor = NumberRange(0, 1, includesLower: false, includesUpper: false, "between 0 and 1")
    package static let probability = NumberRange(0, 1, includesLower: true, includesUpper: true, "from 0 to 1")

    /// Above 0 and at most `most`.
    package static func positive(atMost most: Int) -> NumberRange {
        NumberRange(0, Double(most), includesLower: false, includesUpper: true, "above 0, at most \(most)")
    }
}

extension ClosedRange<Int> {
    /// Such as "from 1 to 64" or "of at least 0".
    package var words: String {
        upperBound == Int.max ? "of at least \(lowerBound)" : "from \(lowerBound) to \(upperBound)"
    }
}

extension Sequence<Int> {
    /// The product of sizes from a file; nil if one is negative, or if the product of the non-zero ones exceeds `most`.
    package func checkedProduct(atMost most: Int = .max) -> Int? {
        var (product, hasZero) = (1, false)
        for size in self {
            guard size >= 0 else { return nil }
            if size == 0 { hasZero = true }
            let (next, isTooLarge) = product.multipliedReportingOverflow(by: Swift.max(1, size))
            guard !isTooLarge, next <= most else { return nil }
            product = next
        }
        return hasZero ? 0 : product
    }
}

/// A value in a stored document that this program never writes.
package struct InvalidValue: Error, Equatable {
    /// Path of the key, such as `training.model.hidden`; empty for the whole document.
    package let key: String
    /// Such as "is 0, not from 1 to 64".
    package let problem: String

    package init(_ key: String, _ problem: String) { (self.key, self.problem) = (key, problem) }

    /// Converts a decoder's error.
    package init(_ error: any Error) {
        guard let error = error as? DecodingError else {
            self = error as? InvalidValue ?? InvalidValue("", "cannot be read")
            return
        }
        func path(_ keys: [any CodingKey]) -> String {
            keys.map { key in key.intValue.map { "\($0)" } ?? key.stringValue }.joined(separator: ".")
        }
        switch error {
        case .typeMismatch(_, let context): self.init(path(context.codingPath), "has a value of another type")
        case .valueNotFound(_, let context): self.init(path(context.codingPath), "has no value")
        case .keyNotFound(let key, let context): self.init(path(context.codingPath + [key]), "is missing")
        case .dataCorrupted(let context):
            self.init(
                path(context.codingPath), context.codingPath.isEmpty ? "is not valid JSON" : "has an unknown value")
        @unknown default: self.init("", "cannot be read")
        }
    }

    /// The problem with the key: "`training.epochs` is -1, not from 0 to 9".
    package var words: String { key.isEmpty ? "it \(problem)" : "`\(key)` \(problem)" }

    /// - Throws: `InvalidValue` if a number is outside its range; nil is valid.
    package static func check(_ value: Int?, _ key: String, in range: ClosedRange<Int>) throws(InvalidValue) {
        guard let value, !range.contains(value) else { return }
        throw InvalidValue(key, "is \(value), not \(range.words)")
    }

    package static func check(_ value: Double?, _ key: String, in range: NumberRange) throws(InvalidValue) {
        guard let value, !range.contains(value) else { return }
        throw InvalidValue(key, "is \(value), not \(range)")
    }
}
