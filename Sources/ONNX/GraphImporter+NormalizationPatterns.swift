import Foundation
import ONNXMessages

/// Normalisations that exporters decompose into sums and roots.
extension GraphImporter {
    /// Layer normalisation that ends in a division by the standard deviation or a product with its reciprocal, or nil.
    mutating func normalizationPattern(_ call: Call) throws -> Value? {
        guard call.type == "Div" || call.type == "Mul", call.node.input.count == 2 else { return nil }
        for (place, other) in [(0, 1), (1, 0)] where call.type == "Mul" || place == 0 {
            let (centred, standardDeviation) = (call.node.input[place], call.node.input[other])
            guard let difference = producers[centred], difference.opType == "Sub", difference.input.count == 2,
                let mean = producers[difference.input[1]], mean.opType == "ReduceMean",
                mean.input.first == difference.input[0],
                let epsilon = try epsilon(of: standardDeviation, isReciprocal: call.type == "Mul", centred: centred),
                isOverChannels(mean), case .value? = values[difference.input[0]]
            else { continue }
            let (node, view) = try realized(difference.input[0])
            return try normalized(node, view, epsilon: epsilon, weight: nil, bias: nil, name: call.name)
        }
        return nil
    }

    /// Matches √(mean(centred²) + ε) or its reciprocal; returns ε.
    private func epsilon(of name: String, isReciprocal: Bool, centred: String) throws -> Double? {
        var root = producers[name]
        if isReciprocal {
            guard let own = root, ["Reciprocal", "Div"].contains(own.opType), let last = own.input.last else {
                return nil
            }
            root = producers[last]
        }
        guard let root, root.opType == "Sqrt" || root.opType == "Pow", let summed = root.input.first,
            let sum = producers[summed], sum.opType == "Add", sum.input.count == 2
        else { return nil }
        for (variance, constant) in [(sum.input[0], sum.input[1]), (sum.input[1], sum.input[0])] {
            guard case .constant(let epsilon)? = values[constant], epsilon.count == 1, let mean = producers[variance],
                mean.opType == "ReduceMean", isOverChannels(mean), let squared = mean.input.first,
                let square = producers[squared],
                square.opType == "Mul" && square.input == [centred, centred]
                    || square.opType == "Pow" && square.input.first == centred
            else { continue }
            return Double(try epsilon.load().numbers[0])
        }
        return nil
    }

    private func isOverChannels(_ node: NodeProto) -> Bool {
        var axes = node.attribute.first { $0.name == "axes" }.map { $0.ints.map { Int(clamping: $0) } }
        if axes == nil, node.input.count > 1, case .constant(let constant)? = values[node.input[1]],
            constant.count <= 4096
        {
            axes = (try? constant.load())?.integers
        }
        guard let axes, axes.count == 1, let input = node.input.first,
            case .value(_, let view, _)? = values[input] ?? values[producers[input]?.input.first ?? ""]
        else { return axes == [-1] }
        return axes[0] == -1 || axes[0] == view.dimensions.count - 1
    }
}
