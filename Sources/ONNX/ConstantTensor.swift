import Foundation

struct ConstantTensor: Sendable {
    enum Values: Sendable { case numbers([Float]), integers([Int]) }

    var shape: [Int]
    var values: Values

    init(shape: [Int], numbers: [Float]) { (self.shape, values) = (shape, .numbers(numbers)) }
    init(shape: [Int], integers: [Int]) { (self.shape, values) = (shape, .integers(integers)) }

    var count: Int {
        switch values {
        case .numbers(let values): values.count
        case .integers(let values): values.count
        }
    }

    var numbers: [Float] {
        switch values {
        case .numbers(let values): values
        case .integers(let values): values.map(Float.init)
        }
    }

    /// The elements as integers, if all of them are.
    var integers: [Int]? {
        switch values {
        case .integers(let values): return values
        case .numbers(let values):
            let whole = values.compactMap { Int(exactly: $0) }
            return whole.count == values.count ? whole : nil
        }
    }

    /// A gather: element `i` of the result is element `indices[i]`.
    func picking(_ indices: [Int], shape: [Int]) -> ConstantTensor {
        switch values {
        case .numbers(let values): ConstantTensor(shape: shape, numbers: indices.map { values[$0] })
        case .integers(let values): ConstantTensor(shape: shape, integers: indices.map { values[$0] })
        }
    }

    func reshaped(_ shape: [Int]) -> ConstantTensor {
        var result = self
        result.shape = shape
        return result
    }

    /// For each element of `target`, the index of the broadcast element; nil if the shapes are incompatible.
    func broadcastIndices(to target: [Int]) -> [Int]? {
        guard shape.count <= target.count else { return nil }
        let own = [Int](repeating: 1, count: target.count - shape.count) + shape
        guard zip(own, target).allSatisfy({ $0 == $1 || $0 == 1 }) else { return nil }
        var strides = [Int](repeating: 0, count: own.count)
        var stride = 1
        for axis in own.indices.reversed() {
            strides[axis] = own[axis] == 1 ? 0 : stride
            stride *= own[axis]
        }
        return Self.walk(target, strides)
    }

    /// Indices of all elements of a strided box.
    static func walk(_ shape: [Int], _ strides: [Int], from start: Int = 0) -> [Int] {
        var indices = [start]
        for (length, stride) in zip(shape, strides) {
            if length == 1 { continue }
            var next: [Int] = []
            next.reserveCapacity(indices.count * length)
            for index in indices { for step in 0..<length { next.append(index + step * stride) } }
            indices = next
        }
        return shape.contains(0) ? [] : indices
    }

    static func strides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.reversed().dropFirst() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        return strides
    }

    func transposed(_ order: [Int]) -> ConstantTensor {
        let strides = Self.strides(shape)
        let target = order.map { shape[$0] }
        return picking(Self.walk(target, order.map { strides[$0] }), shape: target)
    }
}
