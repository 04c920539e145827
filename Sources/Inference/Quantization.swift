import COneDNN
import NeuralNetwork

/// What an 8-bit element of a tensor stands for: (element − zero point) · scale.
struct Quantum: Equatable {
    var scale: Float
    let isSigned: Bool
    /// The byte for 0. Above 0 for signed numbers as unsigned bytes, where that is faster to multiply: 128, or less where
    /// it is known how far below 0 they go.
    var zeroPoint: Int32 = 0

    var isShifted: Bool { zeroPoint > 0 }
    var element: onednn_element { isSigned && !isShifted ? ONEDNN_S8 : ONEDNN_U8 }
}

/// Which values of a lowered network are kept in eight bits, and what they mean.
struct Quantization {
    /// How a value may be expressed in eight bits.
    private(set) var quantum: [Lowering.Value: Quantum] = [:]
    /// Values that are written so where the layer that makes them can.
    private(set) var stored: Set<Lowering.Value> = []
    /// Whether attention multiplies whole numbers, where there is more than one query.
    let attendsInBytes: Bool
    private let kept: Set<String>
    private let shapes: [ImageShape]

    init(_ lowering: Lowering, _ calibration: Calibration) {
        kept = Set(calibration.kept)
        attendsInBytes = calibration.attention == .int8 && Precision.int8.isNative
        shapes = lowering.shapes
        var groups = ValueGroups(count: lowering.shapes.count)
        for step in lowering.steps where shares(step) {
            for input in step.inputs { groups.join(input, step.output) }
        }
        var range: [Int: Float] = [:]
        var signed: Set<Int> = []
        func note(_ value: Lowering.Value, _ name: String, isSigned: Bool) {
            // Smaller ranges have scales that are no normal numbers, whose reciprocals are infinite.
            guard let own = calibration.ranges[name], own > 1e-30, own.isFinite else { return }
            range[groups.root(value)] = max(range[groups.root(value)] ?? 0, own)
            if isSigned { signed.insert(groups.root(value)) }
        }
        note(lowering.input, Calibration.input, isSigned: true)
        for step in lowering.convolutions {
            note(step.output, step.name, isSigned: step.activation?.isUnsigned != true)
        }
        for step in lowering.steps {
            if case .convolution = step { continue }
            if let name = step.observedName, !kept.contains(name) { note(step.output, name, isSigned: true) }
        }
        for value in lowering.shapes.indices {
            let root = groups.root(value)
            guard let range = range[root] else { continue }
            let isSigned = signed.contains(root)
            quantum[value] = Quantum(scale: range / (isSigned ? 127 : 255), isSigned: isSigned)
        }
        chooseStored(lowering)
        if onednn_prefers_unsigned_sources() { shift(lowering) }
    }

    /// Whether a convolution multiplies whole numbers. Not on vectors: there is nothing to gain there.
    func isInteger(_ step: ConvolutionStep) -> Bool {
        quantum[step.input] != nil && !kept.contains(step.name) && shapes[step.input].pixels > 1
    }

    /// Steps whose output has the numbers of their inputs.
    private func shares(_ step: Lowering.Step) -> Bool {
        switch step {
        case .concatenation: true
        case .pooling(_, let pooling, let input, _):
            // A mean over everything is worth more than eight bits.
            pooling.window.kernel != Extent(shapes[input].height, shapes[input].width)
                || pooling.window.time.kernel != shapes[input].frames
        default: false
        }
    }

    /// From the end to the beginning: a value is kept in eight bits where somebody reads it so.
    private mutating func chooseStored(_ lowering: Lowering) {
        for step in lowering.steps.reversed() {
            switch step {
            case .convolution(let convolution):
                if isInteger(convolution) { stored.insert(convolution.input) }
                if stored.contains(convolution.output), let accumulated = convolution.accumulated,
                    quantum[accumulated] != nil
                {
                    stored.insert(accumulated)
                }
            case _ where shares(step) && stored.contains(step.output): stored.formUnion(step.inputs)
            default: break
            }
        }
        stored.remove(lowering.output)
        stored = stored.filter { quantum[$0] != nil }
    }
}

extension Quantization {
    /// Shifts what only convolutions without padding read (beyond the edge there is 0, not 128), and none adds to.
    /// A bare sum keeps its sign: a primitive adds 128 before it rounds, which moves numbers half way between two.
    private mutating func shift(_ lowering: Lowering) {
        var others = Set(lowering.convolutions.compactMap(\.accumulated))
        for step in lowering.convolutions {
            if !step.options.canShift { others.insert(step.input) }
            if step.activation == nil { others.insert(step.output) }
        }
        for step in lowering.steps where shares(step) { others.formUnion(step.inputs + [step.output]) }
        let lowest = lowest(lowering)
        for (value, own) in quantum where own.isSigned && !others.contains(value) {
            quantum[value]?.zeroPoint = 128
            guard let lowest = lowest[value] else { continue }
            // All 256 steps from the lowest number to the largest.
            let range = own.scale * 127
            let below = min(range, lowest)
            let scale = (range + below) / 255
            quantum[value]?.scale = scale
            quantum[value]?.zeroPoint = max(1, Int32((below / scale).rounded(.up)))
        }
    }

    /// How far below 0 values go at most, where that is known: those of activations, and of these times gates from 0 to 1.
    private func lowest(_ lowering: Lowering) -> [Lowering.Value: Float] {
        var lowest: [Lowering.Value: Float] = [:]
        var gates: Set<Lowering.Value> = []
        for step in lowering.steps {
            switch step {
            case .convolution(let step):
                lowest[step.output] = step.activation?.lowest
                if step.activation == .sigmoid || step.activation == .hardSigmoid { gates.insert(step.output) }
            case .binary(_, .multiply, let first, let second, let output) where gates.contains(second):
                lowest[output] = lowest[first]
            default: break
            }
        }
        return lowest
    }
}

extension Activation {
    /// How far below 0 it goes, a hair rounded up; nil where that is as far as its input goes.
    fileprivate var lowest: Float? {
        switch self {
        case .silu: 0.2785
        case .hardSwish: 0.3751
        case .gelu, .geluTanh: 0.1701
        case .quickGELU: 0.1637
        case .relu, .relu6, .sigmoid, .hardSigmoid, .tanh: nil
        }
    }
}

extension Convolution {
    fileprivate var canShift: Bool {
        groups == 1 && window.leading == Extent(0) && window.trailing == Extent(0) && window.time.leading == 0
            && window.time.trailing == 0
    }
}

/// Values that must be treated alike.
struct ValueGroups {
    private var parent: [Int]

    init(count: Int) { parent = Array(0..<count) }

    /// The value that stands for the group.
    func root(_ value: Lowering.Value) -> Int {
        var root = value
        while parent[root] != root { root = parent[root] }
        return root
    }

    mutating func join(_ first: Lowering.Value, _ second: Lowering.Value) { parent[root(second)] = root(first) }
}
