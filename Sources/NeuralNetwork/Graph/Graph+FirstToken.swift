/// Finds the nodes of which only the first token is read. After the last attention of a transformer with class-token
/// output, only that token needs computing.
extension Graph {
    /// Returns the token nodes of which only the first token is read. `needed`: the nodes in topological order, the
    /// output among them.
    package func readForFirstToken(_ needed: [NodeID], output: NodeID) -> Set<NodeID> {
        var whole: Set<NodeID> = [output]
        var first: Set<NodeID> = []
        for id in needed.reversed() {
            let isFirstOnly = !whole.contains(id) && first.contains(id)
            for input in self[id].inputs {
                if self[id].operation == .classToken || (isFirstOnly && self[id].operation.isRowWise) {
                    first.insert(input)
                } else {
                    whole.insert(input)
                }
            }
        }
        return first.subtracting(whole).filter { if case .tokens = self[$0].shape { true } else { false } }
    }
}

extension Operation {
    /// Whether each token of the result depends only on the same token of the inputs.
    fileprivate var isRowWise: Bool {
        switch self {
        case .linear, .layerNormalization, .batchNormalization, .activation, .function, .add, .multiply,
            .gatherChannels, .channelScale, .dropout:
            true
        default: false
        }
    }
}
