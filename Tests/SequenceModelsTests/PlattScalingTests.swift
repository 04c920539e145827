import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import SequenceModels

/// Compared with scikit-learn and SciPy; `Tests/Parity/platt_goldens.py` made the file.
@Suite struct PlattScalingTests {
    struct Golden: Decodable, Sendable {
        let logits: [Float]
        let truth: [Int]
        let scale, offset, offsetAlone: Double

        enum CodingKeys: String, CodingKey { case logits, truth, scale, offset, offsetAlone = "offset_alone" }
    }

    static let goldens: [Golden] = fixture("platt", in: .module)

    static func fit(_ logits: [Float], _ truth: [Bool]) -> (scale: Double, offset: Double) {
        let fit = PlattScaling.fit(logits: Tensor(shape: [logits.count, 1], values: logits), truth: truth.map { [$0] })
        return (fit.scale[0], fit.offset[0])
    }

    @Test("slope and offset equal scikit-learn's, and a slope that is not positive stays 1") func parity() {
        #expect(Self.goldens.contains { $0.scale <= 0 } && Self.goldens.contains { $0.scale > 0 })
        for golden in Self.goldens {
            let (scale, offset) = Self.fit(golden.logits, golden.truth.map { $0 == 1 })
            if golden.scale > 0 {
                #expect(abs(scale - golden.scale) <= 1e-4 * max(1, golden.scale))
                #expect(abs(offset - golden.offset) <= 1e-4 * max(1, abs(golden.offset)))
            } else {
                #expect(scale == 1 && abs(offset - golden.offsetAlone) < 1e-6)
            }
        }
    }

    @Test("each class is fitted by itself, and one without positives or negatives is unchanged") func classes() {
        let golden = Self.goldens[1]
        let values = golden.logits.flatMap { [$0, $0, $0, -$0] }
        let truth = golden.truth.map { [true, $0 == 1, false, $0 == 0, true] }
        let fit = PlattScaling.fit(logits: Tensor(shape: [golden.logits.count, 4], values: values), truth: truth)
        #expect(fit.scale[0] == 1 && fit.offset[0] == 0 && fit.scale[2] == 1 && fit.offset[2] == 0)
        #expect(abs(fit.scale[1] - fit.scale[3]) < 1e-9 && abs(fit.offset[1] + fit.offset[3]) < 1e-9)
        let tensor = fit(Tensor(shape: [1, 4], values: [2, 2, 2, 2]))
        #expect(tensor.values[0] == 2 && tensor.values[1] == Float(2 * fit.scale[1] + fit.offset[1]))
    }

    @Test("equal, extreme, non-finite and missing logits give a finite calibration") func oddInput() {
        let cases: [([Float], [Bool])] = [
            ([3, 3, 3], [true, false, false]), ([1e30, -1e30], [true, false]), ([1e30, -1e30], [false, true]),
            ([.nan, .infinity, 1, 2], [true, true, false, true]), ([.nan, 1], [true, false]), ([], []),
            ([0, 1e-30], [false, true]), ([1e4, 1e4 + 1, 1e4 + 2], [false, true, true]), ([-500, 800], [true, false]),
        ]
        for (logits, truth) in cases {
            let (scale, offset) = Self.fit(logits, truth)
            #expect(scale > 0 && scale.isFinite && offset.isFinite, "\(logits)")
        }
        // One of three positives: the probability is Platt's prior mean for every clip.
        let (scale, offset) = Self.fit([3, 3, 3], [true, false, false])
        #expect(scale == 1 && abs(1 / (1 + exp(-(3 + offset))) - (2.0 / 3 + 0.25 + 0.25) / 3) < 1e-9)
    }
}
