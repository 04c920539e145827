import NeuralNetwork

extension Backbone {
    /// Whether a file with tensors of these shapes can fill the network up to its `pooled` tap.
    public func fits(_ shapes: [String: [Int]], numerics: Numerics? = nil) -> Bool {
        let graph = graph(imageSize: nativeImageSize, numerics: numerics)
        return WeightsMismatch(expected: graph.parameters(for: "pooled"), found: shapes).isEmpty
    }

    /// The backbone that tensors of these shapes belong to, or nil.
    ///
    /// Where several can be filled (a deep ResNet's file holds every tensor that a shallow one asks
    /// for), it is the one that leaves fewest tensors over.
    public static func looking(like shapes: [String: [Int]]) -> Backbone? {
        all.filter { $0.fits(shapes) }.max { first, second in
            first.graph(imageSize: first.nativeImageSize).parameters.count
                < second.graph(imageSize: second.nativeImageSize).parameters.count
        }
    }
}
