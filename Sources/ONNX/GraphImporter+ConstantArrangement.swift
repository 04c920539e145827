import NeuralNetwork

extension GraphImporter {
    mutating func joinedConstants(_ call: Call) throws -> ConstantTensor {
        var parts: [ConstantTensor] = []
        for index in call.inputs.indices { parts.append(try loaded(call, index)) }
        guard let first = parts.first, !first.shape.isEmpty else { throw Refused("it concatenates nothing") }
        let axis = try Self.axis(call.integer("axis", 0), rank: first.shape.count)
        var shape = first.shape
        shape[axis] = 0
        for part in parts {
            guard part.shape.count == shape.count,
                part.shape.indices.allSatisfy({ $0 == axis || part.shape[$0] == shape[$0] })
            else { throw Refused("it concatenates constants of different sizes") }
            shape[axis] += part.shape[axis]
        }
        try spend(shape)
        let (outer, inner) = (shape[..<axis].reduce(1, *), shape[(axis + 1)...].reduce(1, *))
        func join<Element>(_ values: [[Element]]) -> [Element] {
            var result: [Element] = []
            for row in 0..<outer {
                for (own, part) in zip(values, parts) {
                    let size = part.shape[axis] * inner
                    result += own[row * size..<(row + 1) * size]
                }
            }
            return result
        }
        let integers = parts.compactMap { part -> [Int]? in
            if case .integers(let values) = part.values { return values }
            return nil
        }
        if integers.count == parts.count { return ConstantTensor(shape: shape, integers: join(integers)) }
        return ConstantTensor(shape: shape, numbers: join(parts.map(\.numbers)))
    }

    mutating func slicedConstant(_ call: Call) throws -> ConstantTensor {
        var tensor = try loaded(call, 0)
        for slice in try call.slices() {
            let own = try Self.axis(slice.axis, rank: tensor.shape.count)
            guard own < tensor.shape.count, slice.step != 0,
                slice.step > 0 || slice.start == -1 && slice.end < -tensor.shape[own]
            else { throw Refused("its steps are invalid") }
            let length = tensor.shape[own]
            let range = Self.bounds(slice.start, slice.end, length: length)
            let places: [Int]
            if slice.step > 0 {
                places = Array(stride(from: range.lowerBound, to: range.upperBound, by: min(slice.step, length + 1)))
            } else {
                places = Array(stride(from: length - 1, through: 0, by: max(slice.step, -length - 1)))
            }
            tensor = try taking(places, along: own, of: tensor, keeps: true)
        }
        return tensor
    }

    /// Selects indices along an axis; without `keeps` the axis is removed.
    private func taking(
        _ places: [Int], along axis: Int, of tensor: ConstantTensor, keeps: Bool
    ) throws -> ConstantTensor {
        let shape = tensor.shape
        try spend([places.count, tensor.count / max(1, shape[axis])], times: 3)
        let (outer, inner) = (shape[..<axis].reduce(1, *), shape[(axis + 1)...].reduce(1, *))
        var indices: [Int] = []
        for row in 0..<outer {
            for place in places {
                let first = (row * shape[axis] + place) * inner
                indices += first..<first + inner
            }
        }
        return tensor.picking(
            indices, shape: Array(shape[..<axis]) + (keeps ? [places.count] : []) + Array(shape[(axis + 1)...]))
    }

    mutating func gatheredConstant(_ call: Call) throws -> ConstantTensor {
        let tensor = try loaded(call, 0)
        let axis = try Self.axis(call.integer("axis", 0), rank: tensor.shape.count)
        let places = try integers(call, 1).map { $0 < 0 ? $0 + (tensor.shape.isEmpty ? 0 : tensor.shape[axis]) : $0 }
        let shape = call.constant(1)?.shape ?? []
        guard axis < tensor.shape.count, places.allSatisfy((0..<tensor.shape[axis]).contains), shape.count <= 1 else {
            throw Refused("its indices are out of range")
        }
        return try taking(places, along: axis, of: tensor, keeps: shape.count == 1)
    }

    mutating func splitConstants(_ call: Call) throws -> [Constant] {
        let tensor = try loaded(call, 0)
        let axis = try Self.axis(call.integer("axis", 0), rank: tensor.shape.count)
        let count = call.node.output.count
        guard axis < tensor.shape.count else { throw Refused("it slices a scalar") }
        let length = tensor.shape[axis]
        let share = (length + count - 1) / max(1, count)
        let parts = try call.integers("split", input: 1) ?? (0..<count).map { min(share, length - $0 * share) }
        guard parts.count == count, parts.allSatisfy({ (0...length).contains($0) }), parts.reduce(0, +) == length else {
            throw Refused("its parts do not add up")
        }
        var first = 0
        return try parts.map { part in
            defer { first += part }
            return Self.eager(try taking(Array(first..<first + part), along: axis, of: tensor, keeps: true))
        }
    }
}
