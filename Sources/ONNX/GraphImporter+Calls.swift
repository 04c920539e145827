import ONNXMessages

extension GraphImporter {
    struct Call {
        let node: NodeProto
        let inputs: [Value?]
        let operatorSet: Int

        var type: String { node.opType }
        /// A unique name for the graph's node, since every value has one producer.
        var name: String { node.output.first ?? GraphImporter.name(node) }

        func constant(_ index: Int) -> Constant? {
            guard inputs.indices.contains(index), case .constant(let constant)? = inputs[index] else { return nil }
            return constant
        }

        func attribute(_ name: String) -> AttributeProto? { node.attribute.first { $0.name == name } }
        func integer(_ name: String, _ standard: Int) -> Int { attribute(name).map { Int(clamping: $0.i) } ?? standard }
        func number(_ name: String, _ standard: Double) -> Double { attribute(name).map { Double($0.f) } ?? standard }
        func integers(_ name: String) -> [Int]? { attribute(name)?.ints.prefix(4096).map { Int(clamping: $0) } }

        func slices() throws -> [(axis: Int, start: Int, end: Int, step: Int)] {
            guard let starts = try integers("starts", input: 1), let ends = try integers("ends", input: 2) else {
                throw Refused("it has no bounds")
            }
            let axes = try integers("axes", input: 3) ?? Array(starts.indices)
            let steps = try integers("steps", input: 4) ?? axes.map { _ in 1 }
            guard [ends.count, axes.count, steps.count].allSatisfy({ $0 == starts.count }) else {
                throw Refused("its bounds are inconsistent")
            }
            return starts.indices.map { (axes[$0], starts[$0], ends[$0], steps[$0]) }
        }

        /// Integers that are an input in newer operator sets and an attribute in older ones.
        func integers(_ name: String, input index: Int) throws -> [Int]? {
            if let own = integers(name) { return own }
            guard inputs.indices.contains(index), let input = inputs[index] else { return nil }
            guard case .constant(let constant) = input, constant.count <= 4096,
                let integers = try constant.load().integers
            else { throw Refused("its \(name) depend on the input") }
            return integers
        }
    }
}
