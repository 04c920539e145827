package enum ShapeLimits {
    package static let rank = 32
    /// Maximum elements of a tensor, and maximum product of its non-zero lengths.
    package static let elements = 1 << 48

    /// Returns the number of elements of a shape, or nil if a length is negative or a limit is exceeded. Lengths of 0
    /// count as 1 towards the limit, so that no partial product overflows in any order.
    package static func elements(of shape: some Collection<Int>) -> Int? {
        guard shape.count <= rank else { return nil }
        var (product, isEmpty) = (1, false)
        for length in shape {
            if length == 0 { isEmpty = true }
            let (next, overflows) = product.multipliedReportingOverflow(by: max(1, length))
            guard length >= 0, !overflows, next <= elements else { return nil }
            product = next
        }
        return isEmpty ? 0 : product
    }
}
