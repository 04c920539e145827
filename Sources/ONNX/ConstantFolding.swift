import Foundation
import ONNXMessages

/// Nodes that read constants only are computed while the file is read.
extension GraphImporter {
    /// Nil where the node reads something else, or does something else.
    mutating func folded(_ call: Call) throws -> [Constant]? {
        if call.type == "Constant" { return [try Self.literal(call, file)] }
        guard !call.node.input.isEmpty,
            call.inputs.enumerated().allSatisfy({ index, input in
                if case .constant? = input { return true }
                return call.node.input[index].isEmpty
            })
        else { return nil }
        switch call.type {
        case "Identity", "Dropout": return [call.constant(0)!]
        case "Cast":
            // Numbers are Float and whole numbers Int here, whatever the width.
            let isWhole = [2, 3, 4, 5, 6, 7, 9, 12, 13].contains(call.integer("to", 1))
            if !isWhole { return [call.constant(0)!] }
            let tensor = try loaded(call, 0)
            return [
                Self.eager(
                    ConstantTensor(
                        shape: tensor.shape,
                        integers: tensor.numbers.map { $0.isFinite ? Int($0.rounded(.towardZero)) : 0 }))
            ]
        case "Transpose":
            let constant = call.constant(0)!
            let order = call.integers("perm") ?? constant.shape.indices.reversed()
            guard order.sorted() == Array(constant.shape.indices) else {
                throw Refused("its order of dimensions is none")
            }
            let load = constant.load
            return [Constant(shape: order.map { constant.shape[$0] }) { try load().transposed(order) }]
        case "Split": return try splitConstants(call)
        default:
            guard let result = try computed(call) else { return nil }
            return [Self.eager(result)]
        }
    }

    private static func eager(_ tensor: ConstantTensor) -> Constant { Constant(shape: tensor.shape) { tensor } }

    private static func literal(_ call: Call, _ file: ModelFile) throws -> Constant {
        if let tensor = call.attribute("value")?.t, call.attribute("value")?.hasT == true {
            return eager(try file.checkedValues(of: tensor))
        }
        if let number = call.attribute("value_float") { return eager(ConstantTensor(shape: [], numbers: [number.f])) }
        if let whole = call.attribute("value_int") {
            return eager(ConstantTensor(shape: [], integers: [Int(clamping: whole.i)]))
        }
        if let list = call.attribute("value_ints") {
            return eager(ConstantTensor(shape: [list.ints.count], integers: list.ints.map { Int(clamping: $0) }))
        }
        if let list = call.attribute("value_floats") {
            return eager(ConstantTensor(shape: [list.floats.count], numbers: list.floats))
        }
        throw Refused("it holds a constant of an unknown kind")
    }

    private func loaded(_ call: Call, _ index: Int) throws -> ConstantTensor {
        guard let constant = call.constant(index) else { throw Refused("an input is missing") }
        guard constant.count <= ModelFile.foldingLimit else {
            throw Refused("it makes a constant of \(constant.shape)")
        }
        return try constant.load()
    }

    private func computed(_ call: Call) throws -> ConstantTensor? {
        switch call.type {
        case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Mod":
            return try Self.binary(call.type, loaded(call, 0), loaded(call, 1))
        case "Neg", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Abs", "Not":
            return Self.unary(call.type, try loaded(call, 0))
        case "Shape":
            let shape = Self.part(of: call.constant(0)!.shape, call)
            return ConstantTensor(shape: [shape.count], integers: shape)
        case "Size": return ConstantTensor(shape: [], integers: [call.constant(0)!.count])
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze": return try reshapedConstant(call)
        case "Concat": return try joinedConstants(call)
        case "Slice": return try slicedConstant(call)
        case "Gather": return try gatheredConstant(call)
        case "Expand":
            let wanted = try integers(call, 1)
            let own = try loaded(call, 0)
            let rank = max(wanted.count, own.shape.count)
            func long(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
            return try Self.broadcast(own, to: zip(long(wanted), long(own.shape)).map { max($0, $1) })
        case "ConstantOfShape":
            let shape = try Self.checked(integers(call, 0))
            let value = try call.attribute("value").map { try file.checkedValues(of: $0.t) }
            let count = shape.reduce(1, *)
            if let value, case .integers(let integers) = value.values {
                return ConstantTensor(shape: shape, integers: [Int](repeating: integers.first ?? 0, count: count))
            }
            return ConstantTensor(shape: shape, numbers: [Float](repeating: value?.numbers.first ?? 0, count: count))
        case "Range":
            let bounds = try (0..<3).map { try integers(call, $0).first ?? 0 }
            guard bounds[2] != 0, abs(bounds[0]) < 1 << 32, abs(bounds[1]) < 1 << 32 else {
                throw Refused("its range is none")
            }
            let count = max(0, (bounds[1] - bounds[0] + bounds[2] - (bounds[2] > 0 ? 1 : -1)) / bounds[2])
            _ = try Self.checked([count])
            return ConstantTensor(shape: [count], integers: (0..<count).map { bounds[0] + $0 * bounds[2] })
        case "Where":
            let (condition, yes, no) = (try loaded(call, 0), try loaded(call, 1), try loaded(call, 2))
            let shape = try Self.common(Self.common(condition.shape, yes.shape), no.shape)
            let parts = try [condition, yes, no].map { try Self.broadcast($0, to: shape) }
            let picked = zip(parts[0].numbers, zip(parts[1].numbers, parts[2].numbers)).map { $0 != 0 ? $1.0 : $1.1 }
            if case .integers(let a) = parts[1].values, case .integers(let b) = parts[2].values {
                return ConstantTensor(
                    shape: shape, integers: zip(parts[0].numbers, zip(a, b)).map { $0 != 0 ? $1.0 : $1.1 })
            }
            return ConstantTensor(shape: shape, numbers: picked)
        case "ReduceProd", "ReduceSum", "ReduceMax":
            let values = try integers(call, 0)
            let result =
                call.type == "ReduceProd"
                ? values.reduce(1, &*) : call.type == "ReduceSum" ? values.reduce(0, &+) : values.max() ?? 0
            return ConstantTensor(shape: call.integer("keepdims", 1) != 0 ? [1] : [], integers: [result])
        default: return nil
        }
    }

    /// The lengths that `Shape` asks for: all, or from `start` to `end`.
    static func part(of shape: [Int], _ call: Call) -> [Int] {
        Array(shape[bounds(call.integer("start", 0), call.integer("end", shape.count), length: shape.count)])
    }

    private func integers(_ call: Call, _ index: Int) throws -> [Int] {
        guard let integers = try loaded(call, index).integers else { throw Refused("a shape holds no whole numbers") }
        return integers
    }

    /// A shape that may be made.
    static func checked(_ shape: [Int]) throws -> [Int] {
        var count = 1
        for length in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: length)
            guard length >= 0, !overflows, product <= ModelFile.foldingLimit else {
                throw Refused("it makes a constant of \(shape)")
            }
            count = product
        }
        return shape
    }

    static func common(_ a: [Int], _ b: [Int]) throws -> [Int] {
        let rank = max(a.count, b.count)
        func long(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
        return try checked(
            try zip(long(a), long(b)).map { first, second in
                guard first == second || first == 1 || second == 1 else {
                    throw Refused("\(a) and \(b) do not go together")
                }
                return first == 1 ? second : first
            })
    }

    static func broadcast(_ tensor: ConstantTensor, to shape: [Int]) throws -> ConstantTensor {
        if tensor.shape == shape { return tensor }
        guard let indices = tensor.broadcastIndices(to: try checked(shape)) else {
            throw Refused("\(tensor.shape) does not become \(shape)")
        }
        return tensor.picking(indices, shape: shape)
    }

    private static func binary(_ type: String, _ first: ConstantTensor, _ second: ConstantTensor) throws
        -> ConstantTensor
    {
        let shape = try common(first.shape, second.shape)
        let (a, b) = (try broadcast(first, to: shape), try broadcast(second, to: shape))
        if case .integers(let x) = a.values, case .integers(let y) = b.values, type != "Pow" {
            return ConstantTensor(
                shape: shape,
                integers: try zip(x, y).map { (x: Int, y: Int) -> Int in
                    switch type {
                    case "Add": return x &+ y
                    case "Sub": return x &- y
                    case "Mul": return x &* y
                    case "Div", "Mod":
                        guard y != 0, y != -1 || x != .min else { throw Refused("it divides by zero") }
                        return type == "Div" ? x / y : x % y
                    case "Equal": return x == y ? 1 : 0
                    case "Max": return max(x, y)
                    default: return min(x, y)
                    }
                })
        }
        if type == "Equal" {
            return ConstantTensor(shape: shape, integers: zip(a.numbers, b.numbers).map { $0 == $1 ? 1 : 0 })
        }
        if type == "Mod" { throw Refused("a remainder of fractions") }
        return ConstantTensor(
            shape: shape,
            numbers: zip(a.numbers, b.numbers).map { (x: Float, y: Float) -> Float in
                switch type {
                case "Add": x + y
                case "Sub": x - y
                case "Mul": x * y
                case "Div": x / y
                default: Float(join(type, Double(x), Double(y)))
                }
            })
    }

    private static func unary(_ type: String, _ tensor: ConstantTensor) -> ConstantTensor {
        if case .integers(let values) = tensor.values {
            if type == "Not" { return ConstantTensor(shape: tensor.shape, integers: values.map { $0 == 0 ? 1 : 0 }) }
            if type == "Neg" { return ConstantTensor(shape: tensor.shape, integers: values.map { 0 &- $0 }) }
            if ["Floor", "Ceil"].contains(type) { return tensor }
        }
        return ConstantTensor(
            shape: tensor.shape,
            numbers: tensor.numbers.map { (x: Float) -> Float in
                switch type {
                case "Neg": -x
                case "Sqrt": x.squareRoot()
                case "Reciprocal": 1 / x
                case "Exp": Float(exp(Double(x)))
                case "Log": Float(log(Double(x)))
                case "Floor": x.rounded(.down)
                case "Ceil": x.rounded(.up)
                default: abs(x)
                }
            })
    }

    // MARK: - Arranging

    private func reshapedConstant(_ call: Call) throws -> ConstantTensor {
        let tensor = try loaded(call, 0)
        let shape = tensor.shape
        switch call.type {
        case "Flatten":
            let axis = try Self.axis(call.integer("axis", 1), rank: shape.count + 1)
            return tensor.reshaped([shape[..<axis].reduce(1, *), shape[axis...].reduce(1, *)])
        case "Squeeze":
            let axes =
                try call.integers("axes", input: 1)?.map { try Self.axis($0, rank: shape.count) }
                ?? shape.indices.filter { shape[$0] == 1 }
            guard axes.allSatisfy({ $0 < shape.count && shape[$0] == 1 }) else {
                throw Refused("it drops a dimension longer than 1")
            }
            return tensor.reshaped(shape.indices.filter { !axes.contains($0) }.map { shape[$0] })
        case "Unsqueeze":
            let axes = try call.integers("axes", input: 1) ?? []
            var result = shape
            for axis in try axes.map({ try Self.axis($0, rank: shape.count + axes.count) }).sorted() {
                guard axis <= result.count else { throw Refused("its axes are none") }
                result.insert(1, at: axis)
            }
            return tensor.reshaped(result)
        default:
            let wanted = try integers(call, 1)
            return tensor.reshaped(try Self.resolved(wanted, of: shape, allowsZero: call.integer("allowzero", 0) != 0))
        }
    }

    private func joinedConstants(_ call: Call) throws -> ConstantTensor {
        let parts = try call.inputs.indices.map { try loaded(call, $0) }
        guard let first = parts.first, !first.shape.isEmpty else { throw Refused("it joins nothing") }
        let axis = try Self.axis(call.integer("axis", 0), rank: first.shape.count)
        var shape = first.shape
        shape[axis] = 0
        for part in parts {
            guard part.shape.count == shape.count,
                part.shape.indices.allSatisfy({ $0 == axis || part.shape[$0] == shape[$0] })
            else {
                throw Refused("it joins constants of different sizes")
            }
            shape[axis] += part.shape[axis]
        }
        _ = try Self.checked(shape)
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

    private func slicedConstant(_ call: Call) throws -> ConstantTensor {
        var tensor = try loaded(call, 0)
        guard let starts = try call.integers("starts", input: 1), let ends = try call.integers("ends", input: 2) else {
            throw Refused("it has no bounds")
        }
        let axes = try call.integers("axes", input: 3) ?? Array(starts.indices)
        let steps = try call.integers("steps", input: 4) ?? axes.map { _ in 1 }
        guard [ends.count, axes.count, steps.count].allSatisfy({ $0 == starts.count }) else {
            throw Refused("its bounds do not fit together")
        }
        for (index, axis) in axes.enumerated() {
            let own = try Self.axis(axis, rank: tensor.shape.count)
            guard own < tensor.shape.count, steps[index] != 0,
                steps[index] > 0 || starts[index] == -1 && ends[index] < -tensor.shape[own]
            else { throw Refused("its steps are none") }
            let length = tensor.shape[own]
            let range = Self.bounds(starts[index], ends[index], length: length)
            let places: [Int]
            if steps[index] > 0 {
                places = Array(stride(from: range.lowerBound, to: range.upperBound, by: min(steps[index], length + 1)))
            } else {
                places = Array(stride(from: length - 1, through: 0, by: max(steps[index], -length - 1)))
            }
            tensor = Self.taking(places, along: own, of: tensor, keeps: true)
        }
        return tensor
    }

    /// The places along an axis; without `keeps` the one place there is, and no axis.
    private static func taking(_ places: [Int], along axis: Int, of tensor: ConstantTensor, keeps: Bool)
        -> ConstantTensor
    {
        let shape = tensor.shape
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

    private func gatheredConstant(_ call: Call) throws -> ConstantTensor {
        let tensor = try loaded(call, 0)
        let axis = try Self.axis(call.integer("axis", 0), rank: tensor.shape.count)
        let places = try integers(call, 1).map { $0 < 0 ? $0 + (tensor.shape.isEmpty ? 0 : tensor.shape[axis]) : $0 }
        let shape = call.constant(1)!.shape
        guard axis < tensor.shape.count, places.allSatisfy((0..<tensor.shape[axis]).contains), shape.count <= 1 else {
            throw Refused("it takes places that are not there")
        }
        _ = try Self.checked([places.count, tensor.count / max(1, tensor.shape[axis])])
        return Self.taking(places, along: axis, of: tensor, keeps: shape.count == 1)
    }

    private func splitConstants(_ call: Call) throws -> [Constant] {
        let tensor = try loaded(call, 0)
        let axis = try Self.axis(call.integer("axis", 0), rank: tensor.shape.count)
        let count = call.node.output.count
        guard axis < tensor.shape.count else { throw Refused("it cuts a single number") }
        let share = (tensor.shape[axis] + count - 1) / max(1, count)
        let parts =
            try call.integers("split", input: 1) ?? (0..<count).map { min(share, tensor.shape[axis] - $0 * share) }
        guard parts.count == count, parts.allSatisfy({ $0 >= 0 }), parts.reduce(0, &+) == tensor.shape[axis] else {
            throw Refused("its parts do not fit")
        }
        var first = 0
        return parts.map { part in
            defer { first += part }
            return Self.eager(Self.taking(Array(first..<first + part), along: axis, of: tensor, keeps: true))
        }
    }
}
