import Backbones
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing

@Suite struct ParityTests {
    struct Goldens: Decodable { let goldens: [Golden] }

    struct Golden: Decodable, CustomTestStringConvertible {
        let backbone: String
        let numerics: Numerics
        let imageSize: Int
        let tap: String
        let largest: Float
        let stride, featureSize: Int
        let features: [[Float]]
        var testDescription: String { "\(numerics.rawValue) \(backbone) \(tap) at \(imageSize)" }
    }

    static let goldens = ["torchvision", "keras", "timm"].flatMap {
        (fixture($0, in: Bundle.module) as Goldens).goldens
    }

    /// `pixels` of Tests/Parity/parameters.py.
    static func picture(_ index: Int, size: Int) -> [UInt8] {
        let tiles = index + 2
        let random = RandomParameters()
        let coarse = random.uniform("picture \(index) tiles", count: tiles * tiles * 3)
        let fine = random.uniform("picture \(index) noise", count: size * size * 3)
        return (0..<size * size * 3).map { position in
            let (row, column, channel) = (position / 3 / size, position / 3 % size, position % 3)
            let tile = (row * tiles / size * tiles + column * tiles / size) * 3 + channel
            return UInt8(231 * coarse[tile] + 24 * fine[position])
        }
    }

    @Test("features equal the publisher's for the same parameters and pixels", arguments: goldens)
    func featuresEqualPublishers(golden: Golden) throws {
        let error = try golden.error()
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }
}

extension ParityTests.Golden {
    /// The largest difference between our features and the publisher's, of the largest value.
    func error(tuning: KernelTuning? = nil) throws -> Float {
        let network = try #require(Backbone.named(backbone))
        let plan = try InferencePlan(
            graph: network.graph(imageSize: imageSize, numerics: numerics), output: tap, batch: 2,
            weights: PackedWeights(RandomParameters()), tuning: tuning)
        let pixels = (0..<2).flatMap { ParityTests.picture($0, size: imageSize) }
        let ours = try plan.run(pixels: pixels, normalization: network.inputConvention(numerics).normalization)
        try #require(ours.count == 2 * featureSize)
        var worst: Float = 0
        for (picture, expected) in features.enumerated() {
            for (index, value) in expected.enumerated() {
                worst = max(worst, abs(ours.values[picture * featureSize + index * stride] - value))
            }
        }
        return worst / largest
    }
}
