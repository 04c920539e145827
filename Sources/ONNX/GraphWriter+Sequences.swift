import NeuralNetwork

/// The valid steps of sequences, in the forms that layers need; each is written when it is first read.
final class SequenceMask {
    typealias Value = ModelWriter.Value

    /// `[batch, step]`, boolean.
    let mask: Value
    private let model: ModelWriter

    init(_ mask: Value, _ model: ModelWriter) { (self.mask, self.model) = (mask, model) }

    /// `[batch, step, 1]`.
    lazy var rows = model.node("Unsqueeze", [mask, model.integers([2])], name: "mask.rows")
    /// `[batch, 1, 1, step]`.
    lazy var keys = model.node("Unsqueeze", [mask, model.integers([1, 2])], name: "mask.keys")
    /// Valid steps of each sequence `[batch]`, as `int32`.
    lazy var lengths = {
        let counts = model.node("Cast", [mask], [.integer("to", 6)], name: "mask.counts")
        let sum = [counts, model.integers([1])]
        return model.node("ReduceSum", sum, [.integer("keepdims", 0)], name: "mask.lengths")
    }()
    lazy var longLengths = model.node("Cast", [lengths], [.integer("to", 7)], name: "mask.long")
    /// As floating-point `[batch, 1]`.
    lazy var divisors = {
        let numbers = model.node("Cast", [lengths], [.integer("to", 1)], name: "mask.numbers")
        return model.node("Unsqueeze", [numbers, model.integers([1])], name: "mask.divisors")
    }()
    lazy var zero = model.number("mask.zero", 0)
    lazy var never = model.number("mask.never", -.infinity)
}

/// The layers of heads. Results do not depend on the content of padding.
extension GraphWriter {
    func overTime(_ node: Graph.Node, _ inputs: [Value]) throws -> Value {
        let (x, name) = (inputs[0], prefix + node.name)
        guard let steps else { preconditionFailure("\(name) reads a sequence") }
        switch node.operation {
        case .sequenceMean: return isFramewise ? x : mean(x, steps, name)
        case .sequenceMax:
            let valid = model.node("Where", [steps.rows, x, steps.never], name: name + ".valid")
            return model.node("ReduceMax", [valid], [.integers("axes", [1]), .integer("keepdims", 0)], name: name)
        case .attentionPooling:
            let valid = model.node("Where", [steps.rows, inputs[1], steps.never], name: name + ".valid")
            let weights = model.node("Softmax", [valid], [.integer("axis", 1)], name: name + ".weights")
            let known = model.node("Where", [steps.rows, x, steps.zero], name: name + ".known")
            let weighted = model.node("Mul", [known, weights], name: name + ".weighted")
            return sum(weighted, name)
        case .positions: return try positions(node, x)
        case .recurrent(let recurrence): return try recurrent(node, recurrence, x, steps)
        case .convolutionalRecurrent(let recurrence): return try convolutional(node, recurrence, x, steps)
        case .finalState(let isBidirectional): return finalState(node, isBidirectional, x, steps)
        case .spatialMean(let channels):
            let map = model.node("Reshape", [x, model.integers([0, -1, channels])], name: name + ".map")
            return model.node("ReduceMean", [map], [.integers("axes", [1]), .integer("keepdims", 0)], name: name)
        default: preconditionFailure("\(name) is not a layer over time")
        }
    }

    private func sum(_ x: Value, _ name: String) -> Value {
        model.node("ReduceSum", [x, model.integers([1])], [.integer("keepdims", 0)], name: name)
    }

    func mean(_ x: Value, _ steps: SequenceMask, _ name: String) -> Value {
        let known = model.node("Where", [steps.rows, x, steps.zero], name: name + ".known")
        return model.node("Div", [sum(known, name + ".sum"), steps.divisors], name: name)
    }

    private func positions(_ node: Graph.Node, _ x: Value) throws -> Value {
        let name = prefix + node.name
        let shape = model.node("Shape", [x], name: name + ".shape")
        let count = model.node("Slice", [shape, model.integers([1]), model.integers([2])], name: name + ".count")
        let rows = [try parameter(node, 0), model.integers([0]), count, model.integers([0])]
        return model.node("Add", [x, model.node("Slice", rows, name: name + ".rows")], name: name)
    }

    /// The final hidden state: the last valid step of the forward direction and the first of the backward one.
    private func finalState(_ node: Graph.Node, _ isBidirectional: Bool, _ x: Value, _ steps: SequenceMask) -> Value {
        let (name, size) = (prefix + node.name, node.shape.rowSize)
        let last = model.node("Sub", [steps.longLengths, model.integers([1])], name: name + ".last")
        let indices = model.node("Unsqueeze", [last, model.integers([1])], name: name + ".indices")
        let rows = model.node(
            "GatherND", [x, indices], [.integer("batch_dims", 1)], name: name + (isBidirectional ? ".end" : ""))
        guard isBidirectional else { return rows }
        let zero = model.integers([0]), half = model.integers([size / 2]), end = model.integers([size])
        let forward = model.node("Slice", [rows, zero, half, model.integers([1])], name: name + ".forward")
        let start = model.node("Slice", [x, zero, model.integers([1]), model.integers([1])], name: name + ".start")
        let first = model.node("Squeeze", [start, model.integers([1])], name: name + ".first")
        let backward = model.node("Slice", [first, half, end, model.integers([1])], name: name + ".backward")
        return model.node("Concat", [forward, backward], [.integer("axis", 1)], name: name)
    }

    // MARK: - Recurrence

    /// Order of gates in ONNX: update, reset, new for GRU; input, output, forget, cell for LSTM.
    private static func order(_ cell: Recurrence.Cell) -> [Int] { cell == .gru ? [1, 0, 2] : [0, 3, 1, 2] }

    private func recurrent(
        _ node: Graph.Node, _ recurrence: Recurrence, _ x: Value, _ steps: SequenceMask
    ) throws -> Value {
        let name = prefix + node.name
        let turned = model.node("Transpose", [x], [.integers("perm", [1, 0, 2])], name: name + ".turned")
        var states = [try direction(node, recurrence, turned, steps, first: 0, name + ".forward")]
        if recurrence.isBidirectional {
            // ONNX' own bidirectional mode is not used, because OpenVINO starts it in the padding.
            let reversed = self.reversed(turned, steps, name + ".reversed")
            let backward = try direction(node, recurrence, reversed, steps, first: 4, name + ".backward")
            states.append(self.reversed(backward, steps, name + ".restored"))
        }
        let joined =
            states.count == 1 ? states[0] : model.node("Concat", states, [.integer("axis", 2)], name: name + ".joined")
        return model.node("Transpose", [joined], [.integers("perm", [1, 0, 2])], name: name)
    }

    /// Hidden states `[step, batch, hidden]` of one direction; its parameters begin at `first`.
    private func direction(
        _ node: Graph.Node, _ recurrence: Recurrence, _ x: Value, _ steps: SequenceMask, first: Int, _ name: String
    ) throws -> Value {
        let order = Self.order(recurrence.cell)
        func gates(_ index: Int) throws -> Tensor {
            let tensor = try values(node, first + index)
            let size = tensor.count / order.count
            return Tensor(shape: tensor.shape, values: order.flatMap { tensor.values[$0 * size..<($0 + 1) * size] })
        }
        let (input, recurrent) = (try gates(0), try gates(1))
        let bias = try gates(2).values + gates(3).values
        let weights = [
            try model.weight(name + ".input", shape: [1] + input.shape, input.values),
            try model.weight(name + ".recurrent", shape: [1] + recurrent.shape, recurrent.values),
            try model.weight(name + ".bias", shape: [1, bias.count], bias),
        ]
        var attributes = [Attribute.integer("hidden_size", recurrence.hiddenSize)]
        if recurrence.cell == .gru { attributes.append(.integer("linear_before_reset", 1)) }
        let states = model.node(
            recurrence.cell == .gru ? "GRU" : "LSTM", [x] + weights + [steps.lengths], attributes,
            name: name + ".states")
        return model.node("Squeeze", [states, model.integers([1])], name: name)
    }

    /// Reverses the valid steps of `[step, batch, element]`.
    private func reversed(_ x: Value, _ steps: SequenceMask, _ name: String) -> Value {
        model.node(
            "ReverseSequence", [x, steps.longLengths], [.integer("time_axis", 0), .integer("batch_axis", 1)],
            name: name)
    }

    /// A scan over steps; padding leaves the state unchanged.
    private func convolutional(
        _ node: Graph.Node, _ options: ConvolutionalRecurrence, _ x: Value, _ steps: SequenceMask
    ) throws -> Value {
        let (name, hidden) = (prefix + node.name, options.hiddenChannels)
        let (height, width) = (options.height, options.width)
        let weights = [try parameter(node, 0), try parameter(node, 1)]
        let maps = model.node(
            "Reshape", [x, model.integers([0, 0, height, width, options.channels])], name: name + ".maps")
        let turned = model.node("Transpose", [maps], [.integers("perm", [1, 0, 4, 2, 3])], name: name + ".turned")
        let valid = model.node("Transpose", [steps.mask], [.integers("perm", [1, 0])], name: name + ".steps")
        let mask = model.node("Unsqueeze", [valid, model.integers([2, 3, 4])], name: name + ".valid")
        let shape = model.node("Shape", [x], name: name + ".shape")
        let batch = model.node("Slice", [shape, model.integers([0]), model.integers([1])], name: name + ".batch")
        let target = model.node(
            "Concat", [batch, model.integers([hidden, height, width])], [.integer("axis", 0)], name: name + ".target")
        let start = model.node("Expand", [steps.zero, target], name: name + ".start")
        let map: [ModelWriter.Dimension] = ["batch", .fixed(hidden), .fixed(height), .fixed(width)]
        let inputs: [(String, ModelWriter.Element, [ModelWriter.Dimension])] = [
            (name + ".state", .float32, map), (name + ".cell", .float32, map),
            (name + ".map", .float32, ["batch", .fixed(options.channels), .fixed(height), .fixed(width)]),
            (name + ".counts", .bool, ["batch", 1, 1, 1]),
        ]
        let body = model.body(name + ".step", inputs) { values in
            let (state, cell) = step(values, weights, padding: options.kernel / 2, name)
            return [state, cell, state].map { ($0, .float32, map) }
        }
        let states = model.nodes(
            "Scan", [start, start, turned, mask], [.graph("body", body), .integer("num_scan_inputs", 2)],
            name: name + ".scan", outputs: 3)[2]
        let rows = model.node("Transpose", [states], [.integers("perm", [1, 0, 3, 4, 2])], name: name + ".rows")
        return model.node("Reshape", [rows, model.integers([0, 0, height * width * hidden])], name: name)
    }

    /// State and cell after one step of a convolutional LSTM. `values`: state, cell, map, validity.
    private func step(_ values: [Value], _ weights: [Value], padding: Int, _ name: String) -> (Value, Value) {
        let (state, cell, map, counts) = (values[0], values[1], values[2], values[3])
        let joined = model.node("Concat", [map, state], [.integer("axis", 1)], name: name + ".joined")
        let pads = Attribute.integers("pads", [Int](repeating: padding, count: 4))
        let gates = model.node("Conv", [joined] + weights, [pads], name: name + ".gates")
        let parts = model.nodes("Split", [gates], [.integer("axis", 1)], name: name + ".split", outputs: 4)
        let open = [0, 1, 3].map { model.node("Sigmoid", [parts[$0]], name: "\(name).gate\($0)") }
        let new = model.node("Tanh", [parts[2]], name: name + ".new")
        let kept = model.node("Mul", [open[1], cell], name: name + ".kept")
        let added = model.node("Mul", [open[0], new], name: name + ".added")
        let nextCell = model.node("Add", [kept, added], name: name + ".next")
        let bounded = model.node("Tanh", [nextCell], name: name + ".bounded")
        let nextState = model.node("Mul", [open[2], bounded], name: name + ".out")
        return (
            model.node("Where", [counts, nextState, state], name: name + ".state.next"),
            model.node("Where", [counts, nextCell, cell], name: name + ".cell.next")
        )
    }
}
