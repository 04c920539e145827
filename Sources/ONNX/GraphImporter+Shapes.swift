import NeuralNetwork

extension GraphImporter {
    /// Nil for other operators.
    mutating func arrangement(_ call: Call) throws -> [Value]? {
        switch call.type {
        case "Identity", "Dropout", "Cast", "CastLike":
            guard let input = call.inputs.first ?? nil else { throw Refused("it has no input") }
            return [input]
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand": return [try rearranged(call)]
        case "Slice": return [try sliced(call)]
        case "Gather": return [try gathered(call)]
        case "Split": return try split(call)
        case "Concat": return [try concatenated(call)]
        case "Pad": return [try padded(call)]
        default: return nil
        }
    }

    /// A value with its pending function, which commutes with any arrangement.
    private func viewed(_ call: Call) throws -> (Graph.NodeID, TensorView, ScalarFunction) {
        guard case .value(let node, let view, let function)? = call.inputs[0] else {
            throw Refused("its input is not an image")
        }
        return (node, view, function)
    }

    private func rearranged(_ call: Call) throws -> Value {
        let (node, view, function) = try viewed(call)
        let shape = view.shape
        let result: TensorView?
        switch call.type {
        case "Transpose":
            let order = call.integers("perm") ?? shape.indices.reversed()
            guard order.sorted() == Array(shape.indices) else { throw Refused("its permutation is invalid") }
            result = view.transposed(order)
        case "Expand":
            guard let wanted = try call.integers("shape", input: 1), wanted.count <= ShapeLimits.rank else {
                throw Refused("it has no shape")
            }
            let longer = [Int](repeating: 1, count: max(0, wanted.count - shape.count)) + shape
            guard
                zip(longer, [Int](repeating: 1, count: longer.count - wanted.count) + wanted).allSatisfy({
                    $1 == 1 || $0 == $1
                })
            else { throw Refused("it repeats values of the input") }
            result = view.reshaped(longer)
        default: result = view.reshaped(try Self.reshaped(shape, call))
        }
        guard let result else { throw Refused("it splits \(shape) into unequal parts") }
        return .value(node, result, function)
    }

    /// The shape after `Reshape`, `Flatten`, `Squeeze` or `Unsqueeze`.
    static func reshaped(_ shape: [Int], _ call: Call) throws -> [Int] {
        switch call.type {
        case "Flatten":
            let axis = try axis(call.integer("axis", 1), rank: shape.count + 1)
            return [shape[..<axis].reduce(1, *), shape[axis...].reduce(1, *)]
        case "Squeeze":
            let axes = try call.integers("axes", input: 1)?.map { try axis($0, rank: shape.count) }
            let dropped = axes ?? shape.indices.filter { shape[$0] == 1 }
            guard dropped.allSatisfy({ shape[$0] == 1 }) else { throw Refused("it drops a dimension longer than 1") }
            return shape.indices.filter { !dropped.contains($0) }.map { shape[$0] }
        case "Unsqueeze":
            let axes = try call.integers("axes", input: 1) ?? []
            let rank = shape.count + axes.count
            guard rank <= ShapeLimits.rank else { throw Refused("it has \(rank) dimensions") }
            var result = shape
            for axis in try axes.map({ try axis($0, rank: rank) }).sorted() {
                guard axis <= result.count else { throw Refused("its axes are invalid") }
                result.insert(1, at: axis)
            }
            return result
        default:
            guard let wanted = try call.integers("shape", input: 1) else { throw Refused("it has no shape") }
            return try resolved(wanted, of: shape, allowsZero: call.integer("allowzero", 0) != 0)
        }
    }

    static func axis(_ axis: Int, rank: Int) throws -> Int {
        let own = axis < 0 ? axis + rank : axis
        guard axis >= -rank, (0..<rank).contains(own) else {
            throw Refused("its axis \(axis) is out of range for \(rank) dimensions")
        }
        return own
    }

    /// Resolves 0 (unchanged) and −1 (inferred) in a target shape.
    private static func resolved(_ wanted: [Int], of shape: [Int], allowsZero: Bool) throws -> [Int] {
        guard wanted.count <= ShapeLimits.rank else { throw Refused("it has \(wanted.count) dimensions") }
        var result = wanted
        for (index, length) in wanted.enumerated() where length == 0 && !allowsZero {
            guard index < shape.count else { throw Refused("its shape \(wanted) does not fit \(shape)") }
            result[index] = shape[index]
        }
        let count = shape.reduce(1, *)
        if let open = result.firstIndex(of: -1) {
            var others = result
            others.remove(at: open)
            guard let others = ShapeLimits.elements(of: others), others > 0, count % others == 0 else {
                throw Refused("its shape \(wanted) does not fit \(shape)")
            }
            result[open] = count / others
        }
        guard ShapeLimits.elements(of: result) == count else {
            throw Refused("its shape \(wanted) does not fit \(shape)")
        }
        return result
    }

    // MARK: - Slices

    private func sliced(_ call: Call) throws -> Value {
        var (node, view, function) = try viewed(call)
        for slice in try call.slices() {
            let own = try Self.axis(slice.axis, rank: view.shape.count)
            let range = Self.bounds(slice.start, slice.end, length: view.shape[own])
            guard slice.step == 1, let next = view.sliced(own, range) else { throw Refused("its steps are not 1") }
            view = next
        }
        return .value(node, view, function)
    }

    static func bounds(_ start: Int, _ end: Int, length: Int) -> Range<Int> {
        let lower = min(max(start < 0 ? start + length : start, 0), length)
        let upper = min(max(end < 0 ? end + length : end, 0), length)
        return lower..<max(lower, upper)
    }

    private mutating func gathered(_ call: Call) throws -> Value {
        let (node, view, function) = try viewed(call)
        guard let constant = call.constant(1), constant.count <= ImportBudget.channels,
            let indices = try constant.load().integers
        else { throw Refused("its indices depend on the input") }
        let axis = try Self.axis(call.integer("axis", 0), rank: view.shape.count)
        let length = view.shape[axis]
        let places = indices.map { $0 < 0 ? $0 + length : $0 }
        guard let first = places.first, places.allSatisfy((0..<length).contains) else {
            throw Refused("its indices are out of range")
        }
        if constant.shape.isEmpty {
            guard let one = view.sliced(axis, first..<first + 1) else { throw Refused("it indexes across axes") }
            var result = one
            result.dimensions.remove(at: axis)
            return .value(node, result, function)
        }
        if view.shape.count == 1, places.elementsEqual(0..<length), let whole = view.reshaped(constant.shape) {
            return .value(node, whole, function)
        }
        guard constant.shape.count == 1 else { throw Refused("it indexes more than one dimension") }
        if places.elementsEqual(first..<first + places.count),
            let range = view.sliced(axis, first..<first + places.count)
        {
            return .value(node, range, function)
        }
        let channels = builder.shape(of: node).rowSize
        guard view.dimensions[axis] == TensorView.axis(.channel, channels), view.offsets[0] == 0 else {
            throw Refused("its indices are not ascending")
        }
        if isPixels(node), places == [2, 1, 0], function.isIdentity {
            isBlueFirst.toggle()
            return .value(node, view, function)
        }
        let (own, ownView) = try realized(call.node.input[0])
        let input = try arranged(own, ownView)
        let made = try self.node(
            call.name, .gatherChannels(places), [input], builder.shape(of: input).with(rowSize: places.count))
        return try laidOut(made, like: ownView)
    }

    private func split(_ call: Call) throws -> [Value] {
        let (node, view, function) = try viewed(call)
        let axis = try Self.axis(call.integer("axis", 0), rank: view.shape.count)
        let (length, count) = (view.shape[axis], call.node.output.count)
        var parts = try call.integers("split", input: 1)
        guard count > 0 else { throw Refused("it has no output") }
        if parts == nil {
            let share = (length + count - 1) / count
            parts = (0..<count).map { min(share, length - $0 * share) }
        }
        guard let parts, parts.count == count, parts.allSatisfy({ (1...max(1, length)).contains($0) }),
            parts.reduce(0, +) == length
        else { throw Refused("its parts do not add up to \(length)") }
        var first = 0
        return try parts.map { part in
            defer { first += part }
            guard let own = view.sliced(axis, first..<first + part) else { throw Refused("it splits across axes") }
            return .value(node, own, function)
        }
    }

    // MARK: - Concatenation

    private mutating func concatenated(_ call: Call) throws -> Value {
        if let tokens = try tokensInFront(call) { return tokens }
        var nodes: [Graph.NodeID] = []
        var shape: Graph.Shape?
        for name in call.node.input {
            let (node, view) = try realized(name)
            let axis = try Self.axis(call.integer("axis", 0), rank: view.shape.count)
            // A single channel has no digits in the view: it is second in an image, otherwise last.
            let usual = view.dimensions.count == 4 ? 1 : view.dimensions.count - 1
            let isChannel = !view.dimensions[axis].isEmpty || builder.shape(of: node).rowSize == 1 && axis == usual
            guard isChannel, view.dimensions[axis].allSatisfy({ $0.axis == .channel }) else {
                throw Refused("it concatenates along an axis other than channels")
            }
            let own = try arranged(node, view)
            nodes.append(own)
            shape = try joined(shape, builder.shape(of: own))
        }
        guard var first = nodes.first else { throw Refused("it concatenates nothing") }
        guard nodes.count > 1 else { return plain(first) }
        // Eight at a time, the maximum of the kernels.
        var rest = nodes.dropFirst()
        var part = 0
        while !rest.isEmpty {
            let group = [first] + rest.prefix(7)
            rest = rest.dropFirst(7)
            guard let own = try group.reduce(nil as Graph.Shape?, { try joined($0, builder.shape(of: $1)) }) else {
                throw Refused("it concatenates nothing")
            }
            first = try self.node(rest.isEmpty ? call.name : "\(call.name).\(part)", .concatenation, group, own)
            part += 1
        }
        let (_, view) = try realized(call.node.input[0])
        return try laidOut(first, like: view)
    }

    private func joined(_ shape: Graph.Shape?, _ other: Graph.Shape) throws -> Graph.Shape {
        switch (shape, other) {
        case (nil, _): return other
        case (.image(let channels, let height, let width)?, .image(let more, let ownHeight, let ownWidth)):
            guard height == ownHeight, width == ownWidth else { break }
            return .image(channels: channels + more, height: height, width: width)
        case (.tokens(let count, let size)?, .tokens(let ownCount, let more)):
            guard count == ownCount else { break }
            return .tokens(count: count, size: size + more)
        case (.vector(let size)?, .vector(let more)): return .vector(size + more)
        default: break
        }
        throw Refused("it concatenates values of different sizes")
    }

    /// A node viewed with the axis order of another view.
    func laidOut(_ node: Graph.NodeID, like view: TensorView) throws -> Value {
        let shape = builder.shape(of: node)
        var axes: [TensorView.Axis: [TensorView.Digit]] = [:]
        for digits in TensorView(shape).dimensions { if let first = digits.first { axes[first.axis] = digits } }
        var isImage = false
        if case .image = shape { isImage = true }
        var used: Set<TensorView.Axis> = []
        let dimensions = view.dimensions.map { digits -> [TensorView.Digit] in
            // Rows of an image's pixels are indexed by its rows and columns.
            digits.map(\.axis).filter { used.insert($0).inserted }.flatMap { axes[$0] ?? [] }
        }
        let result = TensorView(dimensions: dimensions)
        guard result.flat.count == TensorView(shape).flat.count || isImage, result.shape.reduce(1, *) == shape.size
        else { return plain(node) }
        return .value(node, result, .identity)
    }

    private mutating func padded(_ call: Call) throws -> Value {
        let (node, view) = try realized(call.node.input[0])
        guard let pads = try call.integers("pads", input: 1), pads.count == 2 * view.shape.count else {
            throw Refused("it has no pads")
        }
        if pads.allSatisfy({ $0 == 0 }) { return .value(node, view, .identity) }
        let mode = call.attribute("mode").map { String(decoding: $0.s, as: UTF8.self) } ?? "constant"
        let value = try call.attribute("value").map { $0.f } ?? call.constant(2)?.load().numbers.first ?? 0
        guard mode == "constant", value == 0 else { throw Refused("it pads with values other than zero") }
        let own = try arranged(node, view)
        guard case .image(let channels, let height, let width) = builder.shape(of: own),
            view == TensorView(builder.shape(of: own)),
            pads[0] == 0, pads[1] == 0, pads[4] == 0, pads[5] == 0, pads.allSatisfy({ (0...4096).contains($0) })
        else { throw Refused("it pads axes other than the spatial ones") }
        // A placeholder for the image until a convolution absorbs the padding.
        let padded = try self.node(
            call.name, .dropout(rate: 0), [own],
            .image(channels: channels, height: height + pads[2] + pads[6], width: width + pads[3] + pads[7]))
        paddings[padded] = (own, [pads[2], pads[3], pads[6], pads[7]])
        return plain(padded)
    }
}
