import NeuralNetwork

extension Backbone {
    /// Whether tensors of these shapes include all parameters up to the `pooled` tap.
    package func fits(_ shapes: [String: [Int]]) -> Bool { ExpectedTensors(self).fits(shapes) }

    /// The backbone that tensors of these shapes belong to, or nil. If several fit (a deep ResNet's file holds every
    /// tensor of a shallow one), it is the largest. Nil if the file has tensors inside the backbone's modules that the
    /// backbone lacks.
    package static func looking(like shapes: [String: [Int]]) -> Backbone? {
        let best = zip(all, ExpectedTensors.all).filter { $1.fits(shapes) }.max { $0.1.all.count < $1.1.all.count }
        return best.flatMap { $0.1.leftOver(shapes).isEmpty ? $0.0 : nil }
    }
}
