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

    static func eager(_ tensor: ConstantTensor) -> Constant { Constant(shape: tensor.shape) { tensor } }

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

    func loaded(_ call: Call, _ index: Int) throws -> ConstantTensor {
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
        case "Resize": return try resizedConstant(call)
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

    func integers(_ call: Call, _ index: Int) throws -> [Int] {
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
}
