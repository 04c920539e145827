/// Which values are wanted for their first token alone: behind the last attention of a transformer whose class token is
/// taken, nothing else is worth computing.
extension Graph {
    /// Nodes of tokens that only the first token is read of.
    ///
    /// - Parameter needed: nodes in order, the output among them.
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
    /// Whether each token of the result depends on the same token of the inputs only.
    fileprivate var isRowWise: Bool {
        switch self {
        case .linear, .layerNormalization, .batchNormalization, .activation, .function, .add, .multiply,
            .gatherChannels,
            .channelScale,
            .dropout:
            true
        default: false
        }
    }
}
