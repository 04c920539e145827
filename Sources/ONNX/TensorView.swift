import NeuralNetwork

/// Maps the dimensions of an ONNX tensor for one image to a graph's value; reshapes and transpositions change only it.
struct TensorView: Equatable {
    /// A digit of the index along one axis of a value, in a mixed radix: `index / stride % size`.
    struct Digit: Hashable {
        let axis: Axis
        let stride, size: Int
    }

    enum Axis: Int { case channel, row, column }

    /// For each dimension, its index digits, fastest-varying last; empty if the length is 1.
    var dimensions: [[Digit]]
    /// Index of the first element along each axis.
    var offsets: [Int] = [0, 0, 0]

    var shape: [Int] { dimensions.map { $0.reduce(1) { $0 * $1.size } } }

    static func axis(_ axis: Axis, _ size: Int) -> [Digit] {
        size == 1 ? [] : [Digit(axis: axis, stride: 1, size: size)]
    }

    /// `[1, channels, height, width]` of an image, `[1, token, element]`, `[1, element]` of a vector.
    init(_ shape: Graph.Shape) {
        switch shape {
        case .image(let channels, let height, let width):
            dimensions = [[], Self.axis(.channel, channels), Self.axis(.row, height), Self.axis(.column, width)]
        case .tokens(let count, let size): dimensions = [[], Self.axis(.row, count), Self.axis(.channel, size)]
        case .vector(let size), .sequence(let size): dimensions = [[], Self.axis(.channel, size)]
        case .clip: preconditionFailure("files with several frames per image are rejected at their input")
        }
    }

    init(dimensions: [[Digit]], offsets: [Int] = [0, 0, 0]) {
        self.dimensions = dimensions.map(Self.merged)
        self.offsets = offsets
    }

    /// Combines adjacent digits of one index.
    private static func merged(_ digits: [Digit]) -> [Digit] {
        digits.reduce(into: []) { result, digit in
            if let last = result.last, last.axis == digit.axis, last.stride == digit.stride * digit.size {
                result[result.count - 1] = Digit(axis: digit.axis, stride: digit.stride, size: last.size * digit.size)
            } else {
                result.append(digit)
            }
        }
    }

    func transposed(_ order: [Int]) -> TensorView {
        TensorView(dimensions: order.map { dimensions[$0] }, offsets: offsets)
    }

    /// The same elements in the same order with another shape; nil if a new dimension would split a digit unevenly.
    func reshaped(_ shape: [Int]) -> TensorView? {
        var left = dimensions.flatMap { $0 }
        var result: [[Digit]] = []
        for length in shape {
            var (wanted, digits): (Int, [Digit]) = (length, [])
            while wanted > 1 {
                guard let digit = left.first else { return nil }
                left.removeFirst()
                if wanted % digit.size == 0 {
                    digits.append(digit)
                    wanted /= digit.size
                } else if digit.size % wanted == 0 {
                    let inner = digit.size / wanted
                    digits.append(Digit(axis: digit.axis, stride: digit.stride * inner, size: wanted))
                    left.insert(Digit(axis: digit.axis, stride: digit.stride, size: inner), at: 0)
                    wanted = 1
                } else {
                    return nil
                }
            }
            result.append(digits)
        }
        return left.isEmpty ? TensorView(dimensions: result, offsets: offsets) : nil
    }

    /// Without dimensions of length 1.
    var squeezed: [[Digit]] { dimensions.filter { !$0.isEmpty } }

    /// All digits, slowest-varying first.
    var flat: [Digit] { Self.merged(dimensions.flatMap { $0 }) }

    /// Elements `range` of a dimension; nil if the dimension combines several indices.
    func sliced(_ dimension: Int, _ range: Range<Int>) -> TensorView? {
        let digits = dimensions[dimension]
        if range.isEmpty { return nil }
        if digits.isEmpty { return range == 0..<1 ? self : nil }
        guard digits.count == 1 else { return slicedByOuter(dimension, range) }
        var result = self
        result.offsets[digits[0].axis.rawValue] += range.lowerBound * digits[0].stride
        result.dimensions[dimension] =
            range.count == 1 ? [] : [Digit(axis: digits[0].axis, stride: digits[0].stride, size: range.count)]
        return result
    }

    /// A range that covers whole steps of the dimension's slowest digit.
    private func slicedByOuter(_ dimension: Int, _ range: Range<Int>) -> TensorView? {
        let digits = dimensions[dimension]
        let inner = digits.dropFirst().reduce(1) { $0 * $1.size }
        guard range.lowerBound % inner == 0, range.count % inner == 0 else { return nil }
        let outer = range.lowerBound / inner..<range.upperBound / inner
        var result = self
        result.offsets[digits[0].axis.rawValue] += outer.lowerBound * digits[0].stride
        let kept = outer.count == 1 ? [] : [Digit(axis: digits[0].axis, stride: digits[0].stride, size: outer.count)]
        result.dimensions[dimension] = Self.merged(kept + digits.dropFirst())
        return result
    }

    /// Whether each dimension, counted from the last, has the other's indices or length 1.
    func isAligned(with other: TensorView) -> Bool {
        let more = dimensions.dropLast(other.dimensions.count)
        guard more.allSatisfy(\.isEmpty) else { return false }
        return zip(dimensions.reversed(), other.dimensions.reversed()).allSatisfy { own, theirs in
            func isChannel(_ digits: [Digit]) -> Bool { digits.allSatisfy { $0.axis == .channel } }
            func length(_ digits: [Digit]) -> Int { digits.reduce(1) { $0 * $1.size } }
            return own.isEmpty || isChannel(own) == isChannel(theirs) && length(own) == length(theirs)
        }
    }

    /// Indices along an axis that the view reads, in order.
    func places(_ axis: Axis) -> [Int] {
        let digits = dimensions.flatMap { $0 }.filter { $0.axis == axis }
        return ConstantTensor.walk(digits.map(\.size), digits.map(\.stride), from: offsets[axis.rawValue])
    }
}
