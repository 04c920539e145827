import Escaping
import Files
import Foundation
import NeuralNetwork

/// Opens weights for a head: a run's `model.safetensors`, a PyTorch file with the same names, or a Keras model of GRU,
/// LSTM and dense layers.
///
/// A PyTorch file may wrap the head, as `{"state_dict": {"module.rnn.weight_ih_l0": …}}`: the shortest prefix under
/// which all tensors are found is used.
func openHeadWeights(path: String, for parameters: [Graph.Parameter]) throws -> any ParameterSource {
    if KerasFile.recognizes(path: path) { return try KerasHeadWeights(path: path) }
    let file = try openCheckpoint(path: path)
    let prefix = file.prefixes(of: parameters.prefix(1).map(\.name)).first { prefix in
        parameters.allSatisfy { file.shapes[prefix + $0.name] == $0.shape }
    }
    return file.behind(prefix ?? "")
}

/// A Keras head with the names and shapes of `HeadConfiguration`.
///
/// Keras stores kernels as `[in, out]`, a GRU's gates as update, reset, new (with `reset_after=True`, its default, two
/// rows of biases) and an LSTM's as input, forget, cell, output with one bias.
struct KerasHeadWeights: ParameterSource {
    private let file: KerasFile
    /// By layer, then direction.
    private let recurrent: [[Group]]
    private let dense: [Group]

    /// The variables of one cell or layer, in Keras' order: kernel, recurrent kernel, bias.
    private struct Group: Sendable {
        let path: String
        var variables: [KerasFile.Variable]
    }

    init(path: String) throws {
        file = try KerasFile(path: path)
        var groups: [String: Group] = [:]
        for variable in file.layers.values.joined() {
            let parent = OutputPath.parent(of: variable.dataset)
            groups[parent, default: Group(path: parent, variables: [])].variables.append(variable)
        }
        let ordered = groups.values
            .map { Group(path: $0.path, variables: $0.variables.sorted { Self.rank($0) < Self.rank($1) }) }
            .sorted { $0.path.compare($1.path, options: .numeric) == .orderedAscending }
        dense = Self.inOrder(ordered.filter { $0.variables.map(\.shape.count) == [2, 1] })
        let cells = ordered.filter { cell in
            let ranks = cell.variables.map(\.shape.count)
            return ranks.count == 3 && ranks[0] == 2 && ranks[1] == 2 && (1...2).contains(ranks[2])
        }
        var layers: [String: [Group]] = [:]
        var order: [String] = []
        for cell in cells {
            let layer = cell.path.splitBytes("/").first { $0 != "layers" && $0 != "model_weights" } ?? ""
            if layers[String(layer)] == nil { order.append(String(layer)) }
            layers[String(layer), default: []].append(cell)
        }
        recurrent = order.map { layer in
            // The forward direction comes first.
            (layers[layer] ?? []).sorted { !$0.path.containsBytes("backward") && $1.path.containsBytes("backward") }
        }
        guard !dense.isEmpty else {
            throw WeightsError.malformed(file: path, reason: "it holds no dense layer, so it is not a head of Keras")
        }
    }

    /// Dense layers in network order. Keras 2 numbers layers in order of creation: if the numbers of two layers
    /// contradict their shapes, the layer that reads the other's output comes last.
    private static func inOrder(_ dense: [Group]) -> [Group] {
        guard dense.count == 2 else { return dense }
        func follows(_ first: Group, _ second: Group) -> Bool {
            first.variables[0].shape[1] == second.variables[0].shape[0]
        }
        return !follows(dense[0], dense[1]) && follows(dense[1], dense[0]) ? dense.reversed() : dense
    }

    private static func rank(_ variable: KerasFile.Variable) -> Int {
        ["kernel": 0, "recurrent_kernel": 1, "bias": 2][variable.name] ?? Int(variable.name) ?? 3
    }

    func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        if let tensor = try find(parameter), tensor.shape == parameter.shape { return tensor }
        let shapes = file.layers.values.joined().map { ($0.dataset, $0.shape) }
        throw WeightsError.mismatch(
            file: file.path,
            WeightsMismatch(expected: [parameter], found: Dictionary(shapes, uniquingKeysWith: { first, _ in first })))
    }

    private func find(_ parameter: Graph.Parameter) throws -> Tensor? {
        let parts = parameter.name.split(separator: ".").map(String.init)
        if parts[0] == "rnn", let match = parts[1].wholeMatch(of: /(\w+?)_(ih|hh)_l(\d+)(_reverse)?/),
            let layer = Int(match.3), recurrent.indices.contains(layer)
        {
            let direction = match.4 == nil ? 0 : 1
            guard recurrent[layer].indices.contains(direction) else { return nil }
            let isInput = match.2 == "ih"
            let cell = recurrent[layer][direction]
            return match.1 == "weight" ? try kernel(cell, isInput: isInput) : try bias(cell, isInput: isInput)
        }
        guard let group = dense(parts[0], shape: parameter.shape, isBias: parts[1] == "bias") else { return nil }
        let variable = group.variables[parts[1] == "weight" ? 0 : 1]
        let values = try file.values(of: variable)
        if parts[1] == "bias" { return Tensor(shape: variable.shape, values: values) }
        return transposed(values, rows: variable.shape[0], blocks: [0], width: variable.shape[1])
    }

    /// The dense layer with a name in this program. Keras numbers layers in order of creation, which may differ from
    /// their order in the network: the layer with the right shape is selected, and the order decides between equal
    /// shapes.
    private func dense(_ name: String, shape: [Int], isBias: Bool) -> Group? {
        let fitting = dense.filter {
            isBias ? $0.variables[1].shape == shape : $0.variables[0].shape == shape.reversed()
        }
        let place = ["projection": 0, "dense": fitting.count - 2, "fc": fitting.count - 1][name] ?? -1
        if fitting.count == 1 { return fitting[0] }
        return fitting.indices.contains(place) ? fitting[place] : nil
    }

    private func kernel(_ cell: Group, isInput: Bool) throws -> Tensor? {
        let variable = cell.variables[isInput ? 0 : 1]
        let blocks = Self.blocks(cell)
        guard variable.shape[1] % blocks.count == 0 else { return nil }
        return transposed(
            try file.values(of: variable), rows: variable.shape[0], blocks: blocks,
            width: variable.shape[1] / blocks.count)
    }

    private func bias(_ cell: Group, isInput: Bool) throws -> Tensor? {
        let variable = cell.variables[2]
        let values = try file.values(of: variable)
        let blocks = Self.blocks(cell)
        if variable.shape.count == 1 {
            // Keras' single bias is used as the input bias.
            let own = isInput ? values : Array(repeating: 0, count: values.count)
            return blocks.count == 4 ? Tensor(shape: variable.shape, values: own) : nil
        }
        guard variable.shape[0] == 2, variable.shape[1] % blocks.count == 0 else { return nil }
        let width = variable.shape[1] / blocks.count
        let row = values[(isInput ? 0 : 1) * variable.shape[1]..<(isInput ? 1 : 2) * variable.shape[1]]
        let ordered = blocks.flatMap { row.dropFirst($0 * width).prefix(width) }
        return Tensor(shape: [variable.shape[1]], values: ordered)
    }

    /// Keras' index of each gate: reset, update, new of a GRU; an LSTM's order is the same.
    private static func blocks(_ cell: Group) -> [Int] {
        cell.variables[1].shape[1] == 3 * cell.variables[1].shape[0] ? [1, 0, 2] : [0, 1, 2, 3]
    }

    /// `[in, blocks · width]` → `[blocks · width, in]`, with blocks in the given order.
    private func transposed(_ values: [Float], rows: Int, blocks: [Int], width: Int) -> Tensor {
        let columns = values.count / max(1, rows)
        var result: [Float] = []
        result.reserveCapacity(values.count)
        for block in blocks {
            for column in block * width..<(block + 1) * width {
                for row in 0..<rows { result.append(values[row * columns + column]) }
            }
        }
        return Tensor(shape: [result.count / max(1, rows), rows], values: result)
    }
}
