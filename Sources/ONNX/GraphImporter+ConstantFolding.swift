import Foundation
import NeuralNetwork

/// Constant folding: nodes that read only constants are computed during the import.
extension GraphImporter {
    /// Nil if an input is not constant, or the operator is not foldable.
    mutating func folded(_ call: Call) throws -> [Constant]? {
        if call.type == "Constant" { return [try Self.literal(call, file)] }
        guard !call.node.input.isEmpty,
            call.inputs.enumerated().allSatisfy({ index, input in
                if case .constant? = input { return true }
                return call.node.input[index].isEmpty
            })
        else { return nil }
        switch call.type {
        case "Identity", "Dropout": return [try constant(call)]
        case "Cast":
            // Floating-point types are Float and integer types Int here, whatever their width.
            let isWhole = [2, 3, 4, 5, 6, 7, 9, 12, 13].contains(call.integer("to", 1))
            if !isWhole { return [try constant(call)] }
            let tensor = try loaded(call, 0)
            try spend(tensor.shape)
            return [
                Self.eager(ConstantTensor(shape: tensor.shape, integers: tensor.numbers.map { Self.place(Double($0)) }))
            ]
        case "Transpose":
            let constant = try constant(call)
            let order = call.integers("perm") ?? constant.shape.indices.reversed()
            guard order.sorted() == Array(constant.shape.indices) else { throw Refused("its permutation is invalid") }
            guard constant.depth < ImportBudget.constantDepth else {
                throw Refused("it transposes a constant too often")
            }
            let load = constant.load
            var turned = Constant(shape: order.map { constant.shape[$0] }) { try load().transposed(order) }
            turned.depth = constant.depth + 1
            return [turned]
        case "Split": return try splitConstants(call)
        default:
            guard let result = try computed(call) else { return nil }
            return [Self.eager(result)]
        }
    }

    static func eager(_ tensor: ConstantTensor) -> Constant {
        var constant = Constant(shape: tensor.shape) { tensor }
        constant.isLoaded = true
        return constant
    }

    /// Rounds towards zero; non-finite and out-of-range numbers are clamped.
    static func place(_ number: Double) -> Int {
        if number.isNaN { return 0 }
        return Int(exactly: number.rounded(.towardZero)) ?? (number < 0 ? .min : .max)
    }

    private func constant(_ call: Call) throws -> Constant {
        guard let constant = call.constant(0) else { throw Refused("it has no input") }
        return constant
    }

    private static func literal(_ call: Call, _ file: ModelFile) throws -> Constant {
        if let tensor = call.attribute("value")?.t, call.attribute("value")?.hasT == true {
            // Read on demand, like initialisers.
            let shape = try file.checkedShape(of: tensor)
            return Constant(shape: shape) { try file.values(of: tensor) }
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
        throw Refused("it holds a constant of an unknown type")
    }

    /// The elements of a constant, cached so that they are read from the file once.
    mutating func loaded(_ call: Call, _ index: Int) throws -> ConstantTensor {
        guard let constant = call.constant(index) else { throw Refused("an input is missing") }
        guard constant.count <= ModelFile.foldingLimit else {
            throw Refused("its output is a constant of \(constant.shape)")
        }
        if constant.isLoaded { return try constant.load() }
        try budget.spend(elements: constant.count)
        let tensor = try constant.load()
        if case .constant(let known)? = values[call.node.input[index]], !known.isLoaded {
            values[call.node.input[index]] = .constant(Self.eager(tensor))
        }
        return tensor
    }

    private mutating func computed(_ call: Call) throws -> ConstantTensor? {
        switch call.type {
        case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Mod":
            return try binary(call.type, loaded(call, 0), loaded(call, 1))
        case "Neg", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Abs", "Not":
            let tensor = try loaded(call, 0)
            try spend(tensor.shape)
            return try Self.unary(call, tensor)
        case "Shape":
            let shape = Self.part(of: try constant(call).shape, call)
            return ConstantTensor(shape: [shape.count], integers: shape)
        case "Size": return ConstantTensor(shape: [], integers: [try constant(call).count])
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
            let tensor = try loaded(call, 0)
            return tensor.reshaped(try Self.reshaped(tensor.shape, call))
        case "Concat": return try joinedConstants(call)
        case "Resize": return try resizedConstant(call)
        case "Slice": return try slicedConstant(call)
        case "Gather": return try gatheredConstant(call)
        case "Expand":
            let wanted = try integers(call, 1)
            let own = try loaded(call, 0)
            guard wanted.count <= ShapeLimits.rank else { throw Refused("it has \(wanted.count) dimensions") }
            let rank = max(wanted.count, own.shape.count)
            func long(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
            return try broadcast(own, to: zip(long(wanted), long(own.shape)).map { max($0, $1) })
        case "ConstantOfShape":
            let shape = try spend(integers(call, 0))
            let value = try call.attribute("value").map { attribute in
                _ = try file.checkedShape(of: attribute.t)
                return try file.values(of: attribute.t)
            }
            let count = shape.reduce(1, *)
            if let value, case .integers(let integers) = value.values {
                return ConstantTensor(shape: shape, integers: [Int](repeating: integers.first ?? 0, count: count))
            }
            return ConstantTensor(shape: shape, numbers: [Float](repeating: value?.numbers.first ?? 0, count: count))
        case "Range":
            var bounds: [Int] = []
            for index in 0..<3 { bounds.append(try integers(call, index).first ?? 0) }
            guard bounds[2] != 0, bounds.allSatisfy({ $0.magnitude < 1 << 32 }) else {
                throw Refused("its range is empty or invalid")
            }
            let count = max(0, (bounds[1] - bounds[0] + bounds[2] - (bounds[2] > 0 ? 1 : -1)) / bounds[2])
            try spend([count])
            return ConstantTensor(shape: [count], integers: (0..<count).map { bounds[0] + $0 * bounds[2] })
        case "Where":
            let (condition, yes, no) = (try loaded(call, 0), try loaded(call, 1), try loaded(call, 2))
            let shape = try Self.common(Self.common(condition.shape, yes.shape), no.shape)
            try spend(shape, times: 2)
            let parts = try [condition, yes, no].map { try broadcast($0, to: shape) }
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

    /// The dimensions that `Shape` selects: all, or from `start` to `end`.
    static func part(of shape: [Int], _ call: Call) -> [Int] {
        Array(shape[bounds(call.integer("start", 0), call.integer("end", shape.count), length: shape.count)])
    }

    mutating func integers(_ call: Call, _ index: Int) throws -> [Int] {
        guard let integers = try loaded(call, index).integers else {
            throw Refused("a shape holds values other than integers")
        }
        return integers
    }

    static func checked(_ shape: [Int]) throws -> [Int] {
        // Lengths beside a 0 are limited too, because partial products of a shape are computed.
        guard ShapeLimits.elements(of: shape) != nil,
            ShapeLimits.elements(of: shape.map { max(1, $0) }) ?? .max <= ModelFile.foldingLimit
        else { throw Refused("its output is a constant of \(shape.prefix(ShapeLimits.rank))") }
        return shape
    }

    static func common(_ a: [Int], _ b: [Int]) throws -> [Int] {
        let rank = max(a.count, b.count)
        func long(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
        return try checked(
            try zip(long(a), long(b)).map { first, second in
                guard first == second || first == 1 || second == 1 else {
                    throw Refused("\(a) and \(b) do not broadcast")
                }
                return first == 1 ? second : first
            })
    }

    func broadcast(_ tensor: ConstantTensor, to shape: [Int]) throws -> ConstantTensor {
        if tensor.shape == shape { return tensor }
        // Accounts for the elements and for their indices, which take twice as much.
        try spend(shape, times: 3)
        guard let indices = tensor.broadcastIndices(to: shape) else {
            throw Refused("\(tensor.shape) cannot be reshaped to \(shape)")
        }
        return tensor.picking(indices, shape: shape)
    }

    private func binary(_ type: String, _ first: ConstantTensor, _ second: ConstantTensor) throws -> ConstantTensor {
        let shape = try spend(Self.common(first.shape, second.shape))
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
        if type == "Mod" { throw Refused("it computes a remainder of non-integers") }
        // Rounding the double to a float once more gives the float's own sum, product or quotient.
        return ConstantTensor(
            shape: shape,
            numbers: zip(a.numbers, b.numbers).map { Float(Self.join(type, Double($0), Double($1))) })
    }

    private static func unary(_ call: Call, _ tensor: ConstantTensor) throws -> ConstantTensor {
        if case .integers(let values) = tensor.values {
            if call.type == "Not" {
                return ConstantTensor(shape: tensor.shape, integers: values.map { $0 == 0 ? 1 : 0 })
            }
            if call.type == "Neg" { return ConstantTensor(shape: tensor.shape, integers: values.map { 0 &- $0 }) }
            if ["Floor", "Ceil"].contains(call.type) { return tensor }
        }
        guard let function = try unary(call) else { throw Refused("its input is not boolean") }
        return ConstantTensor(shape: tensor.shape, numbers: tensor.numbers.map { Float(function(Double($0))) })
    }
}
