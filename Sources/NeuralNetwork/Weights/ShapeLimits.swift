/// Limits of tensors that files describe.
package enum ShapeLimits {
    /// The most dimensions of a tensor.
    package static let rank = 32
    /// The most elements of a tensor, and the largest product of its lengths that are not 0.
    package static let elements = 1 << 48

    /// How many elements a shape has; nil if a length is negative or the limits are exceeded.
    ///
    /// Lengths of 0 count as 1 towards the limit: no product of some of the lengths, in any order, overflows.
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
