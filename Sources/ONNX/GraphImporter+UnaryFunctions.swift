import Foundation

extension GraphImporter {
    /// Nil for other operators.
    static func unary(_ call: Call) throws -> (@Sendable (Double) -> Double)? {
        func limit(_ index: Int, _ attribute: String, _ standard: Double) throws -> Double {
            if let constant = call.constant(index) {
                return constant.count == 1 ? Double(try constant.load().numbers[0]) : standard
            }
            return call.number(attribute, standard)
        }
        switch call.type {
        case "Relu": return { max(0, $0) }
        case "Sigmoid": return { 1 / (1 + exp(-$0)) }
        case "Tanh": return { tanh($0) }
        case "Erf": return { erf($0) }
        case "Exp": return { exp($0) }
        case "Sqrt": return { $0.squareRoot() }
        case "Neg": return { -$0 }
        case "Abs": return { abs($0) }
        case "Reciprocal": return { 1 / $0 }
        case "Softplus": return { log1p(exp(-abs($0))) + max(0, $0) }
        case "HardSwish": return { $0 * min(6, max(0, $0 + 3)) / 6 }
        case "Clip":
            let (least, most) = (try limit(1, "min", -.infinity), try limit(2, "max", .infinity))
            return { min(most, max(least, $0)) }
        case "HardSigmoid":
            let (alpha, beta) = (call.number("alpha", 0.2), call.number("beta", 0.5))
            return { max(0, min(1, alpha * $0 + beta)) }
        case "LeakyRelu":
            let alpha = call.number("alpha", 0.01)
            return { $0 < 0 ? alpha * $0 : $0 }
        case "Gelu":
            let isTanh = call.attribute("approximate").map { String(decoding: $0.s, as: UTF8.self) } == "tanh"
            return ScalarFunction.activations.first { $0.0 == (isTanh ? .geluTanh : .gelu) }?.1
        case "Elu", "Celu":
            let alpha = call.number("alpha", 1)
            if call.type == "Elu" { return { $0 < 0 ? alpha * expm1($0) : $0 } }
            return { max(0, $0) + min(0, alpha * expm1($0 / alpha)) }
        case "Selu":
            let (alpha, gamma) = (call.number("alpha", 1.6732632423543772), call.number("gamma", 1.0507009873554805))
            return { gamma * ($0 < 0 ? alpha * expm1($0) : $0) }
        case "Mish": return { $0 * tanh(log1p(exp(-abs($0))) + max(0, $0)) }
        case "Softsign": return { $0 / (1 + abs($0)) }
        case "Log": return { log($0) }
        case "Floor": return { $0.rounded(.down) }
        case "Ceil": return { $0.rounded(.up) }
        case "Round": return { $0.rounded(.toNearestOrEven) }
        case "Sign": return { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
        case "Sin": return { sin($0) }
        case "Cos": return { cos($0) }
        case "PRelu":
            guard let slope = call.constant(1), slope.count == 1 else { throw Refused("it has a slope per channel") }
            let alpha = Double(try slope.load().numbers[0])
            return { $0 < 0 ? alpha * $0 : $0 }
        default: return nil
        }
    }
}
