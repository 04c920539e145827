import Foundation
import NeuralNetwork

extension GraphImporter {
    /// channel · scale + shift, which may absorb further scales and shifts.
    struct Affine {
        let input: Graph.NodeID
        let scale, shift: Constant?
        /// Number of combined operations.
        var depth = 1
    }

    /// Nil if the operator is not element-wise.
    mutating func elementwise(_ call: Call) throws -> Value? {
        if let function = try Self.unary(call) {
            guard case .value(let node, let view, let own)? = try prepared(call, 0) else {
                throw Refused("its input is not an image")
            }
            return .value(node, view, try own.then(function))
        }
        if call.type == "Softmax" { throw Refused("softmax is only supported in attention; use an earlier value") }
        if call.type == "Where", call.inputs.count == 3 { return try chosen(call) }
        let isComparison = ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"].contains(call.type)
        guard isComparison || ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"].contains(call.type),
            call.inputs.count == 2
        else { return nil }
        return try binary(call)
    }

    /// The value of an input; a recognised function with several readers is computed once.
    private mutating func prepared(_ call: Call, _ index: Int) throws -> Value? {
        let name = call.node.input[index]
        guard case .value(_, _, let function)? = values[name] else { return values[name] }
        if !function.isIdentity, consumers[name, default: 0] > 1, try known(function) != nil { _ = try realized(name) }
        return values[name]
    }

    /// `Where`: selects one of two scalar functions by a third.
    private mutating func chosen(_ call: Call) throws -> Value {
        var base: (node: Graph.NodeID, view: TensorView)?
        let parts = try (0..<3).map { index -> ScalarFunction in
            switch try prepared(call, index) {
            case .value(let node, let view, let function)?:
                if let base, base != (node, view) {
                    throw Refused("it selects between two values that depend on the input")
                }
                base = (node, view)
                return function
            case .constant(let constant)? where constant.count == 1:
                let number = Double(try constant.load().numbers.first ?? 0)
                return ScalarFunction { _ in number }
            default: throw Refused("its inputs are not images")
            }
        }
        guard let base else { throw Refused("it selects between constants") }
        let (condition, yes, no) = (parts[0].apply, parts[1].apply, parts[2].apply)
        let function = try ScalarFunction(of: parts) { condition($0) != 0 ? yes($0) : no($0) }
        return .value(base.node, base.view, function)
    }

    // MARK: - Two values

    private mutating func binary(_ call: Call) throws -> Value {
        let (first, second) = (try prepared(call, 0), try prepared(call, 1))
        let type = call.type
        switch (first, second) {
        case (.value(let a, let viewA, let f)?, .value(let b, let viewB, let g)?):
            if a == b, viewA == viewB { return .value(a, viewA, try f.with(g) { Self.join(type, $0, $1) }) }
            return try joined(call)
        case (.value(let node, let view, let function)?, .constant(let constant)?):
            return try with(constant, call, node, view, function, isFirst: false)
        case (.constant(let constant)?, .value(let node, let view, let function)?):
            return try with(constant, call, node, view, function, isFirst: true)
        default: throw Refused("its inputs are not images")
        }
    }

    static func join(_ type: String, _ a: Double, _ b: Double) -> Double {
        switch type {
        case "Add": a + b
        case "Sub": a - b
        case "Mul": a * b
        case "Div": a / b
        case "Pow": pow(a, b)
        case "Max": max(a, b)
        case "Greater": a > b ? 1 : 0
        case "GreaterOrEqual": a >= b ? 1 : 0
        case "Less": a < b ? 1 : 0
        case "LessOrEqual": a <= b ? 1 : 0
        default: min(a, b)
        }
    }

    private mutating func joined(_ call: Call) throws -> Value {
        if call.type == "Div" { return try quotient(call) }
        guard ["Add", "Mul", "Sub"].contains(call.type) else {
            throw Refused("only sums and products of two inputs are supported")
        }
        var (a, viewA) = try realized(call.node.input[0])
        var (b, viewB) = try realized(call.node.input[1])
        if call.type == "Sub" {
            let own = try arranged(b, viewB)
            let size = builder.shape(of: own).rowSize
            let negative = try affine(
                own, scale: Constant(repeating: -1, count: size), shift: nil, call.name + ".negative")
            guard case .value(let node, let view, _) = try laidOut(negative, like: viewB) else {
                throw Refused("it is not an image")
            }
            (b, viewB) = (node, view)
        }
        if viewA.shape.reduce(1, *) < viewB.shape.reduce(1, *) { swap(&a, &b); swap(&viewA, &viewB) }
        guard viewB.isAligned(with: viewA) else {
            throw Refused("it combines \(viewA.shape) and \(viewB.shape) across axes")
        }
        let layout = viewA
        (a, b) = (try arranged(a, viewA), try arranged(b, viewB))
        let (shape, other) = (builder.shape(of: a), builder.shape(of: b))
        if shape == other || shape.size == other.size && shape.rowSize == other.rowSize && shape.size == shape.rowSize {
            let operation: NeuralNetwork.Operation = call.type == "Mul" ? .multiply : .add
            let made = try self.node(call.name, operation, [a, b], shape)
            return try laidOut(made, like: layout)
        }
        guard call.type == "Mul", case .image(let channels, _, _) = shape, other.size == channels,
            other.rowSize == channels, viewA.dimensions.count == viewB.dimensions.count
        else { throw Refused("it combines \(shape) and \(other)") }
        let made = try self.node(call.name, .scaleChannels, [a, b], shape)
        return try laidOut(made, like: layout)
    }

    private mutating func quotient(_ call: Call) throws -> Value {
        let name = call.node.input[1]
        guard case .value(let node, let view, let function)? = values[name] else { throw Refused("it is not an image") }
        let own = name + ".reciprocal." + call.name
        values[own] = .value(node, view, try function.line { 1 / $0 })
        var product = call.node
        product.opType = "Mul"
        product.input[1] = own
        return try joined(Call(node: product, inputs: call.inputs, operatorSet: call.operatorSet))
    }

    // MARK: - With constants

    private mutating func with(
        _ constant: Constant, _ call: Call, _ node: Graph.NodeID, _ view: TensorView, _ function: ScalarFunction,
        isFirst: Bool
    ) throws -> Value {
        let type = call.type
        if constant.count == 1 {
            let number = Double(try constant.load().numbers.first ?? 0)
            return .value(
                node, view, try function.line { isFirst ? Self.join(type, number, $0) : Self.join(type, $0, number) })
        }
        let (own, ownView) = try realized(call.node.input[isFirst ? 1 : 0])
        if type == "Add", let tokens = try withPositions(own, ownView, constant, call) { return tokens }
        let (input, layout) = (try arranged(own, ownView), ownView)
        let size = builder.shape(of: input).rowSize
        guard Self.isPerChannel(constant, layout), constant.count == size else {
            throw Refused("a constant of \(constant.shape) does not broadcast over the channels of \(layout.shape)")
        }
        let numbers = constant.load
        func changed(_ change: @escaping @Sendable (Float) -> Float) -> Constant {
            Constant(shape: [size]) { ConstantTensor(shape: [size], numbers: try numbers().numbers.map(change)) }
        }
        let result: Graph.NodeID
        switch (type, isFirst) {
        case ("Add", _):
            if let product = bareProducts[input] {
                let bias = parameter(call.name + ".bias", changed { $0 })
                result = try self.node(
                    call.name, .linear(out: size), [product.input], builder.shape(of: input),
                    parameters: [product.weight, bias])
            } else {
                result = try affine(input, scale: nil, shift: changed { $0 }, call.name)
            }
        case ("Sub", false): result = try affine(input, scale: nil, shift: changed { -$0 }, call.name)
        case ("Mul", _): result = try affine(input, scale: changed { $0 }, shift: nil, call.name)
        case ("Div", false): result = try affine(input, scale: changed { 1 / $0 }, shift: nil, call.name)
        default: throw Refused("a constant does not broadcast over channels")
        }
        return try laidOut(result, like: layout)
    }

    static func isPerChannel(_ constant: Constant, _ view: TensorView) -> Bool {
        guard constant.shape.count <= view.dimensions.count else { return false }
        let own = [Int](repeating: 1, count: view.dimensions.count - constant.shape.count) + constant.shape
        return zip(own, view.dimensions).allSatisfy { length, digits in
            length == 1 || !digits.isEmpty && digits.allSatisfy { $0.axis == .channel && $0.stride == 1 }
        }
    }

    /// input · scale + shift per channel, combined with a preceding affine operation.
    mutating func affine(
        _ input: Graph.NodeID, scale: Constant?, shift: Constant?, _ name: String
    ) throws -> Graph.NodeID {
        let size = builder.shape(of: input).rowSize
        var (from, ownScale, ownShift) = (input, scale, shift)
        var normalization = normalizations[input]
        var before =
            affines[input] ?? (isPixels(input) ? inputAffine : nil)
            ?? normalization.map { Affine(input: $0.input, scale: $0.weight, shift: $0.bias, depth: $0.depth) }
        if let known = before, known.depth >= ImportBudget.constantDepth {
            // The parameter is computed from all combined operations, which are nested.
            if isPixels(known.input) { throw Refused("it scales the input too often") }
            (before, normalization) = (nil, nil)
        }
        let depth = (before?.depth ?? 0) + 1
        if let before {
            from = before.input
            let (oldScale, oldShift) = (before.scale, before.shift)
            ownScale = Constant(shape: [size]) {
                let (a, b) = (try oldScale?.load().numbers, try scale?.load().numbers)
                let product = (0..<size).map { (index: Int) -> Float in (a?[index] ?? 1) * (b?[index] ?? 1) }
                return ConstantTensor(shape: [size], numbers: product)
            }
            ownShift = Constant(shape: [size]) {
                let (a, b, c) = (try oldShift?.load().numbers, try scale?.load().numbers, try shift?.load().numbers)
                let sum = (0..<size).map { (index: Int) -> Float in
                    let (first, factor, more) = (a?[index] ?? 0, b?[index] ?? 1, c?[index] ?? 0)
                    return first * factor + more
                }
                return ConstantTensor(shape: [size], numbers: sum)
            }
        }
        if isPixels(from) {
            inputAffine = Affine(input: from, scale: ownScale, shift: ownShift, depth: depth)
            return from
        }
        func constant(_ value: Double) -> Constant { Constant(repeating: value, count: size) }
        if let normalization {
            return normalized(
                Normalization(
                    input: from, epsilon: normalization.epsilon, weight: ownScale, bias: ownShift,
                    groups: normalization.groups, depth: depth), name)
        }
        let own = [
            parameter(name + ".weight", ownScale ?? constant(1)), parameter(name + ".bias", ownShift ?? constant(0)),
            parameter(name + ".mean", constant(0)), parameter(name + ".variance", constant(1)),
        ]
        let node = builder.node(
            name, .batchNormalization(epsilon: 0, hasScale: true), [from], builder.shape(of: from), parameters: own)
        affines[node] = Affine(input: from, scale: ownScale, shift: ownShift, depth: depth)
        return node
    }

    mutating func applied(
        _ function: ScalarFunction, _ node: Graph.NodeID, _ view: TensorView, name: String
    ) throws -> (Graph.NodeID, TensorView) {
        // A scalar function commutes with any arrangement of the elements.
        let shape = builder.shape(of: node)
        let isWhole = paddings[node] == nil && view.offsets == [0, 0, 0] && view.shape.reduce(1, *) == shape.size
        let input = isWhole ? node : try arranged(node, view)
        var result = input
        if let slope = try leak(function) {
            result = try leaking(input, slope, name)
        } else if let known = try known(function) {
            result = try self.result(of: known, input, name)
        } else if let first = try function.parts.first.flatMap({ try known($0) }),
            let second = try function.parts.last.flatMap({ try known($0) })
        {
            result = try self.result(of: first, input, name + ".inner")
            result = try self.result(of: second, result, name)
        } else {
            result = builder.node(
                name, .function(NumberFunction(name: name, apply: function.apply)), [input], builder.shape(of: input))
        }
        return isWhole ? (result, view) : try laid(result, like: view)
    }

    private mutating func result(
        of known: ScalarFunction.Known, _ input: Graph.NodeID, _ name: String
    ) throws -> Graph.NodeID {
        var result = input
        if let activation = known.activation {
            result = builder.node(name, .activation(activation), [result], builder.shape(of: result))
        }
        guard known.factor != 1 || known.summand != 0 else { return result }
        let size = builder.shape(of: result).rowSize
        func constant(_ value: Double) -> Constant { Constant(repeating: value, count: size) }
        return try affine(
            result, scale: known.factor == 1 ? nil : constant(known.factor),
            shift: known.summand == 0 ? nil : constant(known.summand), name + (known.activation == nil ? "" : ".line"))
    }

    private func laid(_ node: Graph.NodeID, like view: TensorView) throws -> (Graph.NodeID, TensorView) {
        guard case .value(let own, let ownView, _) = try laidOut(node, like: view) else { return (node, view) }
        return (own, ownView)
    }

    /// A leaky ReLU as slope · x + (1 − slope) · ReLU(x).
    private mutating func leaking(_ input: Graph.NodeID, _ slope: Double, _ name: String) throws -> Graph.NodeID {
        let shape = builder.shape(of: input)
        func constant(_ value: Double) -> Constant { Constant(repeating: value, count: shape.rowSize) }
        let positive = builder.node(name + ".relu", .activation(.relu), [input], shape)
        let rest = try affine(positive, scale: constant(1 - slope), shift: nil, name + ".rest")
        let share = try affine(input, scale: constant(slope), shift: nil, name + ".share")
        return builder.node(name, .add, [share, rest], shape)
    }
}
