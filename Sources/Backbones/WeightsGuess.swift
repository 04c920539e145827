import NeuralNetwork

extension Backbone {
    /// Whether a file with tensors of these shapes can fill the network up to its `pooled` tap.
    public func fits(_ shapes: [String: [Int]]) -> Bool { ExpectedTensors(self).fits(shapes) }

    /// The backbone that tensors of these shapes belong to, or nil.
    ///
    /// If several can be filled (a deep ResNet's file holds every tensor that a shallow one asks for), it is the one that
    /// leaves fewest tensors over.
    public static func looking(like shapes: [String: [Int]]) -> Backbone? {
        zip(all, ExpectedTensors.all).filter { $1.fits(shapes) }.max { $0.1.all.count < $1.1.all.count }?.0
    }
}
