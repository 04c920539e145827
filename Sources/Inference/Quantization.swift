import COneDNN
import NeuralNetwork

/// Affine quantisation of a tensor: value = (element − zero point) · scale.
struct QuantizationParameters: Equatable {
    var scale: Float
    let isSigned: Bool
    /// The element that represents 0. Above 0 for signed values stored as uint8, if that multiplies faster: 128, or
    /// less if a lower bound of the values is known.
    var zeroPoint: Int32 = 0

    var isShifted: Bool { zeroPoint > 0 }
    var element: onednn_element { isSigned && !isShifted ? ONEDNN_S8 : ONEDNN_U8 }
}

/// The values of a lowered network that are stored in int8, and their quantisation parameters.
struct Quantization {
    /// Parameters of each value that can be quantised.
    private(set) var qparams: [Lowering.Value: QuantizationParameters] = [:]
    /// Values that their producer writes in int8, if it can.
    private(set) var stored: Set<Lowering.Value> = []
    /// Whether attention uses int8 products, if there is more than one query.
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
            // Smaller ranges have denormal scales, whose reciprocals are infinite.
            guard let own = calibration.ranges[name], own > 1e-30, own.isFinite else { return }
            range[groups.root(value)] = max(range[groups.root(value)] ?? 0, own)
            if isSigned { signed.insert(groups.root(value)) }
        }
        note(lowering.input, Calibration.input, isSigned: true)
        for step in lowering.convolutions {
            note(step.output, step.name, isSigned: step.activation?.isUnsigned != true)
        }
        for step in lowering.steps {
            if case .convolution = step.operation { continue }
            if let name = step.observedName, !kept.contains(name) { note(step.output, name, isSigned: true) }
        }
        for value in lowering.shapes.indices {
            let root = groups.root(value)
            guard let range = range[root] else { continue }
            let isSigned = signed.contains(root)
            qparams[value] = QuantizationParameters(scale: range / (isSigned ? 127 : 255), isSigned: isSigned)
        }
        chooseStored(lowering)
        if onednn_prefers_unsigned_sources() { shift(lowering) }
    }

    /// Whether a convolution is computed in int8. Not for vectors, where it is no faster.
    func isInteger(_ step: ConvolutionStep) -> Bool {
        qparams[step.input] != nil && !kept.contains(step.name) && shapes[step.input].pixels > 1
    }

    /// Whether a step's output has the values of its inputs.
    private func shares(_ step: Lowering.Step) -> Bool {
        switch step.operation {
        case .concatenation: return true
        case .pooling(let pooling):
            // Global average pooling keeps more precision than int8 offers.
            let shape = shapes[step.inputs[0]]
            return pooling.window.kernel != Extent(shape.height, shape.width)
                || pooling.window.time.kernel != shape.frames
        default: return false
        }
    }

    /// From the last step to the first: a value is stored in int8 if a reader needs it so.
    private mutating func chooseStored(_ lowering: Lowering) {
        for step in lowering.steps.reversed() {
            switch step.operation {
            case .convolution(let convolution):
                if isInteger(convolution) { stored.insert(convolution.input) }
                if stored.contains(convolution.output), let accumulated = convolution.accumulated,
                    qparams[accumulated] != nil
                {
                    stored.insert(accumulated)
                }
            case _ where shares(step) && stored.contains(step.output): stored.formUnion(step.inputs)
            default: break
            }
        }
        stored.remove(lowering.output)
        stored = stored.filter { qparams[$0] != nil }
    }
}

extension Quantization {
    /// Uses a zero point for values that only convolutions without padding read (padding is 0, not 128) and to which
    /// nothing is added. A plain sum stays signed: a primitive adds 128 before it rounds, which changes values half way
    /// between two integers.
    private mutating func shift(_ lowering: Lowering) {
        var others = Set(lowering.convolutions.compactMap(\.accumulated))
        for step in lowering.convolutions {
            if !step.options.canShift { others.insert(step.input) }
            if step.activation == nil { others.insert(step.output) }
        }
        for step in lowering.steps where shares(step) { others.formUnion(step.inputs + [step.output]) }
        let lowest = lowest(lowering)
        for (value, own) in qparams where own.isSigned && !others.contains(value) {
            qparams[value]?.zeroPoint = 128
            guard let lowest = lowest[value] else { continue }
            // All 256 levels from the lowest value to the largest.
            let range = own.scale * 127
            let below = min(range, lowest)
            let scale = (range + below) / 255
            qparams[value]?.scale = scale
            qparams[value]?.zeroPoint = max(1, Int32((below / scale).rounded(.up)))
        }
    }

    /// Lower bounds of values, as positive magnitudes, if known: those of activations, and of activations times gates
    /// in [0, 1].
    private func lowest(_ lowering: Lowering) -> [Lowering.Value: Float] {
        var lowest: [Lowering.Value: Float] = [:]
        var gates: Set<Lowering.Value> = []
        for step in lowering.steps {
            switch step.operation {
            case .convolution(let step):
                lowest[step.output] = step.activation?.lowest
                if step.activation == .sigmoid || step.activation == .hardSigmoid { gates.insert(step.output) }
            case .binary(.multiply) where gates.contains(step.inputs[1]):
                lowest[step.output] = lowest[step.inputs[0]]
            default: break
            }
        }
        return lowest
    }
}

extension Activation {
    /// Magnitude of the minimum, slightly rounded up; nil if it is that of the input.
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

/// Disjoint sets of values that must share a format (union-find).
struct ValueGroups {
    private var parent: [Int]

    init(count: Int) { parent = Array(0..<count) }

    /// The representative of the group.
    func root(_ value: Lowering.Value) -> Int {
        var root = value
        while parent[root] != root { root = parent[root] }
        return root
    }

    mutating func join(_ first: Lowering.Value, _ second: Lowering.Value) { parent[root(second)] = root(first) }
}
