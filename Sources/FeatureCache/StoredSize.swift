import Files

/// What sizes in a cache may be. A damaged file says anything, and nothing may be allocated or multiplied by it.
enum StoredSize {
    /// Whether a recipe may have so many frames of so many numbers.
    static func isPossible(frames: Int, numbers: Int) -> Bool {
        (1...1 << 24).contains(frames) && (1...1 << 32).contains(numbers) && frames * numbers <= 1 << 36
    }

    /// Numbers in a row of that shape; nil if a size is negative or there are too many.
    static func product(_ shape: [Int]) -> Int? {
        shape.checkedProduct(atMost: 1 << 32)
    }

    /// Whether so many rows of so many numbers are in a blob of so many bytes.
    static func fits(_ rows: Int, of numbers: Int, as type: StoredType, in bytes: Int) -> Bool {
        rows >= 0 && isPossible(frames: 1, numbers: numbers) && rows <= bytes / (numbers * type.bytes)
    }
}
