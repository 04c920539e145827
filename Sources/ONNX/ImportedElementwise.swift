import Foundation
import NeuralNetwork

/// Functions of single numbers, sums, products, and constants that go with channels.
extension GraphImporter {
    /// channel · scale + shift, which may still take in what follows it.
    struct Affine {
        let input: Graph.NodeID
        let scale: Constant?
        let shift: Constant?
    }

    /// Nil where the operator does something else.
    mutating func elementwise(_ call: Call) throws -> Value? {
        if let function = try Self.unary(call) {
            guard case .value(let node, let view, let own)? = try prepared(call, 0) else {
                throw Refused("it reads what is no picture")
            }
            return .value(node, view, own.then(function))
        }
        if call.type == "Softmax" { throw Refused("there is no softmax outside of attention; take an earlier value") }
        guard ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"].contains(call.type), call.inputs.count == 2 else { return nil }
        return try binary(call)
    }

    private static func unary(_ call: Call) throws -> (@Sendable (Double) -> Double)? {
        func limit(_ index: Int, _ attribute: String, _ standard: Double) throws -> Double {
            if let constant = call.constant(index) { return constant.count == 1 ? Double(try constant.load().numbers[0]) : standard }
            return call.number(attribute, standard)
        }
        switch call.type {
        case "Relu": return { max(0, $0) }
        case "Sigmoid": return { 1 / (1 + exp(-$0)) }
        case "Tanh": return { tanh($0) }
        case "Erf": return { erf($0) }
        case "Exp": return { exp($0) }
        case "Sqrt": return { $0.squareRoot() }
        case "Neg": return { -$0 }
        case "Abs": return { abs($0) }
        case "Reciprocal": return { 1 / $0 }
        case "Softplus": return { log1p(exp(-abs($0))) + max(0, $0) }
        case "HardSwish": return { $0 * min(6, max(0, $0 + 3)) / 6 }
        case "Clip":
            let (least, most) = (try limit(1, "min", -.infinity), try limit(2, "max", .infinity))
            return { min(most, max(least, $0)) }
        case "HardSigmoid":
            let (alpha, beta) = (call.number("alpha", 0.2), call.number("beta", 0.5))
            return { max(0, min(1, alpha * $0 + beta)) }
        case "LeakyRelu":
            let alpha = call.number("alpha", 0.01)
            return { $0 < 0 ? alpha * $0 : $0 }
        case "Gelu":
            let isTanh = call.attribute("approximate").map { String(decoding: $0.s, as: UTF8.self) } == "tanh"
            return ScalarFunction.activations.first { $0.0 == (isTanh ? .geluTanh : .gelu) }?.1
        case "Mish", "Elu", "Selu", "Celu", "PRelu", "Swish":
            throw Refused("the activation is not there")
        default: return nil
        }
    }

    /// The value of an input; a known function that others read too is computed once, for all of them.
    private mutating func prepared(_ call: Call, _ index: Int) throws -> Value? {
        let name = call.node.input[index]
        guard case .value(_, _, let function)? = values[name] else { return values[name] }
        let readers = Set(file.nodes.indices.filter { file.nodes[$0].input.contains(name) }).count
        if !function.isIdentity, readers > 1, function.known?.activation != nil { _ = try realized(name) }
        return values[name]
    }

    // MARK: - Two values

    private mutating func binary(_ call: Call) throws -> Value {
        let (first, second) = (try prepared(call, 0), try prepared(call, 1))
        let type = call.type
        switch (first, second) {
        case (.value(let a, let viewA, let f)?, .value(let b, let viewB, let g)?):
            if a == b, viewA == viewB {
                return .value(a, viewA, f.with(g) { Self.join(type, $0, $1) })
            }
            return try joined(call)
        case (.value(let node, let view, let function)?, .constant(let constant)?):
            return try with(constant, call, node, view, function, isFirst: false)
        case (.constant(let constant)?, .value(let node, let view, let function)?):
            return try with(constant, call, node, view, function, isFirst: true)
        default: throw Refused("it joins what are no pictures")
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
        default: min(a, b)
        }
    }

    private mutating func joined(_ call: Call) throws -> Value {
        guard call.type == "Add" || call.type == "Mul" else { throw Refused("of two pictures there are sums and products only") }
        var (a, viewA) = try realized(call.node.input[0])
        var (b, viewB) = try realized(call.node.input[1])
        if viewA.shape.reduce(1, *) < viewB.shape.reduce(1, *) { swap(&a, &b); swap(&viewA, &viewB) }
        let layout = viewA
        (a, b) = (try arranged(a, viewA), try arranged(b, viewB))
        let (shape, other) = (builder.shape(of: a), builder.shape(of: b))
        if shape == other || shape.size == other.size && shape.rowSize == other.rowSize && shape.size == shape.rowSize {
            let operation: NeuralNetwork.Operation = call.type == "Add" ? .add : .multiply
            let made = builder.node(call.name, operation, [a, b], shape)
        return try laidOut(made, like: layout)
        }
        guard call.type == "Mul", case .image(let channels, _, _) = shape, other.size == channels, other.rowSize == channels,
            viewA.dimensions.count == viewB.dimensions.count
        else { throw Refused("it joins \(shape) and \(other)") }
        let made = builder.node(call.name, .scaleChannels, [a, b], shape)
        return try laidOut(made, like: layout)
    }

    // MARK: - With constants

    private mutating func with(
        _ constant: Constant, _ call: Call, _ node: Graph.NodeID, _ view: TensorView, _ function: ScalarFunction, isFirst: Bool
    ) throws -> Value {
        let type = call.type
        if constant.count == 1 {
            let number = Double(try constant.load().numbers.first ?? 0)
            return .value(node, view, function.then { isFirst ? Self.join(type, number, $0) : Self.join(type, $0, number) })
        }
        let (own, ownView) = try realized(call.node.input[isFirst ? 1 : 0])
        if type == "Add", let tokens = try withPositions(own, ownView, constant, call) { return tokens }
        let (input, layout) = (try arranged(own, ownView), ownView)
        let size = builder.shape(of: input).rowSize
        guard Self.isPerChannel(constant, layout), constant.count == size else {
            throw Refused("a constant of \(constant.shape) goes with no channels of \(layout.shape)")
        }
        let numbers = constant.load
        func changed(_ change: @escaping @Sendable (Float) -> Float) -> Constant {
            Constant(shape: [size]) { ConstantTensor(shape: [size], numbers: try numbers().numbers.map(change)) }
        }
        let result: Graph.NodeID
        switch (type, isFirst) {
        case ("Add", _): result = affine(input, scale: nil, shift: changed { $0 }, call.name)
        case ("Sub", false): result = affine(input, scale: nil, shift: changed { -$0 }, call.name)
        case ("Mul", _): result = affine(input, scale: changed { $0 }, shift: nil, call.name)
        case ("Div", false): result = affine(input, scale: changed { 1 / $0 }, shift: nil, call.name)
        default: throw Refused("a constant cannot go with channels so")
        }
        return try laidOut(result, like: layout)
    }

    /// Whether the constant has a number a channel and is the same everywhere else.
    static func isPerChannel(_ constant: Constant, _ view: TensorView) -> Bool {
        guard constant.shape.count <= view.dimensions.count else { return false }
        let own = [Int](repeating: 1, count: view.dimensions.count - constant.shape.count) + constant.shape
        return zip(own, view.dimensions).allSatisfy { length, digits in
            length == 1 || digits.allSatisfy { $0.axis == .channel && $0.stride == 1 }
        }
    }

    /// input · scale + shift, a number a channel each; joined with those right before.
    mutating func affine(_ input: Graph.NodeID, scale: Constant?, shift: Constant?, _ name: String) -> Graph.NodeID {
        let size = builder.shape(of: input).rowSize
        var (from, ownScale, ownShift) = (input, scale, shift)
        if let before = affines[input] ?? (isPixels(input) ? inputAffine : nil) {
            from = before.input
            let (oldScale, oldShift) = (before.scale, before.shift)
            func numbers(_ constant: Constant?) throws -> [Float]? { try constant?.load().numbers }
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
            inputAffine = Affine(input: from, scale: ownScale, shift: ownShift)
            return from
        }
        func constant(_ value: Float) -> Constant {
            Constant(shape: [size]) { ConstantTensor(shape: [size], numbers: [Float](repeating: value, count: size)) }
        }
        let own = [
            parameter(name + ".weight", ownScale ?? constant(1)), parameter(name + ".bias", ownShift ?? constant(0)),
            parameter(name + ".mean", constant(0)), parameter(name + ".variance", constant(1)),
        ]
        let node = builder.node(
            name, .batchNormalization(epsilon: 0, hasScale: true), [from], builder.shape(of: from), parameters: own)
        affines[node] = Affine(input: from, scale: ownScale, shift: ownShift)
        return node
    }

    /// A value with its function applied.
    mutating func applied(
        _ function: ScalarFunction, _ node: Graph.NodeID, _ view: TensorView, name: String
    ) throws -> (Graph.NodeID, TensorView) {
        guard let known = function.known else { throw Refused("it reads a function of numbers that is not known here") }
        let input = try arranged(node, view)
        var result = input
        if let activation = known.activation {
            result = builder.node(name, .activation(activation), [result], builder.shape(of: result))
        }
        if known.factor != 1 || known.summand != 0 {
            let size = builder.shape(of: result).rowSize
            func constant(_ value: Double) -> Constant {
                Constant(shape: [size]) { ConstantTensor(shape: [size], numbers: [Float](repeating: Float(value), count: size)) }
            }
            result = affine(
                result, scale: known.factor == 1 ? nil : constant(known.factor),
                shift: known.summand == 0 ? nil : constant(known.summand), name + (known.activation == nil ? "" : ".line"))
        }
        guard case .value(let node, let view, _) = try laidOut(result, like: view) else { return (result, view) }
        return (node, view)
    }
}
