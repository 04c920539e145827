import Files

/// Valid sizes in a cache. Sizes in a damaged file are arbitrary and must be checked before allocation or
/// multiplication.
enum StoredSize {
    /// Whether a recipe may have `frames` rows of `numbers` elements.
    static func isPossible(frames: Int, numbers: Int) -> Bool {
        (1...1 << 24).contains(frames) && (1...1 << 32).contains(numbers) && frames * numbers <= 1 << 36
    }

    /// Number of elements of a shape; nil if a size is negative or the product is too large.
    static func product(_ shape: [Int]) -> Int? { shape.checkedProduct(atMost: 1 << 32) }

    /// Whether a blob of `bytes` bytes contains that many rows and elements.
    static func fits(_ rows: Int, of numbers: Int, as type: StoredType, in bytes: Int) -> Bool {
        rows >= 0 && isPossible(frames: 1, numbers: numbers) && rows <= bytes / (numbers * type.bytes)
    }
}
