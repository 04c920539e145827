import NeuralNetwork
package struct PlattScaling: Sendable, Codable, Equatable {
    package let scale, offset: [Double]
    init(logits: Tensor, truth: [[Bool]]) { (scale, offset) = ([], []) }
    func probabilities(_ logits: [Double]) -> [Double] { logits }
}
enum LabelThresholds { static func choose(_ p: [[Double]], truth: [[Bool]]) -> [Double] { [] } }

enum LabelBootstrap {
    struct Difference { let interval: Statistics.Interval; let probability: Double; let labels: [(label: String, interval: Statistics.Interval)] }
    static func interval(_ scores: LabelScores, places: [Int]) -> Statistics.Interval { .init(lower: 0, upper: 1) }
    static func difference(_ a: LabelScores, _ b: LabelScores, places: [Int]) -> Difference { Difference(interval: .init(lower: 0, upper: 1), probability: 1, labels: []) }
}
