import Foundation

/// Finite numbers that a setting may have, and how messages say so. A range is defined once: the reader of pipeline files
/// uses it, and stored configurations are checked with it.
public struct NumberRange: Sendable, Equatable, CustomStringConvertible {
    private let lower, upper: Double
    private let includesLower, includesUpper: Bool
    /// Such as "from 0 to below 1".
    public let description: String

    private init(
        _ lower: Double, _ upper: Double, includesLower: Bool, includesUpper: Bool, _ description: String
    ) {
        (self.lower, self.upper, self.includesLower, self.includesUpper) = (lower, upper, includesLower, includesUpper)
        self.description = description
    }

    /// Whether a number is finite and in the range.
    public func contains(_ value: Double) -> Bool {
        value.isFinite && (includesLower ? value >= lower : value > lower)
            && (includesUpper ? value <= upper : value < upper)
    }

    /// Any finite number above 0.
    public static let positive = NumberRange(
        0, .infinity, includesLower: false, includesUpper: false, "above 0")
    /// Any finite number of at least 0.
    public static let nonNegative = NumberRange(
        0, .infinity, includesLower: true, includesUpper: false, "of at least 0")
    /// From 0 to below 1.
    public static let share = NumberRange(0, 1, includesLower: true, includesUpper: false, "from 0 to below 1")
    /// Between 0 and 1, without both.
    public static let factor = NumberRange(0, 1, includesLower: false, includesUpper: false, "between 0 and 1")
    /// From 0 to 1.
    public static let probability = NumberRange(0, 1, includesLower: true, includesUpper: true, "from 0 to 1")

    /// Above 0 and at most `most`.
    public static func positive(atMost most: Int) -> NumberRange {
        NumberRange(0, Double(most), includesLower: false, includesUpper: true, "above 0, at most \(most)")
    }
}

extension ClosedRange<Int> {
    /// Such as "from 1 to 64" or "of at least 0".
    public var words: String {
        upperBound == Int.max ? "of at least \(lowerBound)" : "from \(lowerBound) to \(upperBound)"
    }
}

extension Sequence<Int> {
    /// The product of sizes that a file states; nil if one is negative, or if the product of those above 0 exceeds `most`.
    public func checkedProduct(atMost most: Int = .max) -> Int? {
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

/// A value of a stored document that this program never writes.
public struct InvalidValue: Error, Equatable {
    /// Path of the key, such as `training.model.hidden`; empty for the whole document.
    public let key: String
    /// Such as "is 0, not from 1 to 64".
    public let problem: String

    /// A key and what is wrong with its value.
    public init(_ key: String, _ problem: String) { (self.key, self.problem) = (key, problem) }

    /// What a decoder found wrong.
    public init(_ error: any Error) {
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
                path(context.codingPath), context.codingPath.isEmpty ? "is no valid JSON" : "has an unknown value")
        @unknown default: self.init("", "cannot be read")
        }
    }

    /// What is wrong, with the key: "`training.epochs` is -1, not from 0 to 9".
    public var words: String { key.isEmpty ? "it \(problem)" : "`\(key)` \(problem)" }

    /// - Throws: `InvalidValue` if a number is not in its range; nil is in every range.
    public static func check(
        _ value: Int?, _ key: String, in range: ClosedRange<Int>
    ) throws(InvalidValue) {
        guard let value, !range.contains(value) else { return }
        throw InvalidValue(key, "is \(value), not \(range.words)")
    }

    /// - Throws: `InvalidValue` if a number is not in its range; nil is in every range.
    public static func check(_ value: Double?, _ key: String, in range: NumberRange) throws(InvalidValue) {
        guard let value, !range.contains(value) else { return }
        throw InvalidValue(key, "is \(value), not \(range)")
    }
}
