import NeuralNetwork

extension Backbone {
    /// Whether a file with tensors of these shapes can fill the network up to its `pooled` tap.
    public func fits(_ shapes: [String: [Int]]) -> Bool { ExpectedTensors(self).fits(shapes) }

    /// The backbone that tensors of these shapes belong to, or nil.
    ///
    /// If several can be filled (a deep ResNet's file holds every tensor that a shallow one needs), it is the largest; none
    /// if the file has more tensors inside its modules than it.
    public static func looking(like shapes: [String: [Int]]) -> Backbone? {
        let best = zip(all, ExpectedTensors.all).filter { $1.fits(shapes) }.max { $0.1.all.count < $1.1.all.count }
        return best.flatMap { $0.1.leftOver(shapes).isEmpty ? $0.0 : nil }
    }
}
