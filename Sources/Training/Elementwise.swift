import CElementwise
import COneDNN
import NeuralNetwork

// Element-wise functions that oneDNN does not provide, written so that the compiler vectorises them: no branches, calls
// or traps inside the loops.

/// eˣ with a relative error below 2e-7 for x in [−87, 88]; clamped outside (Cody and Waite's reduction,
/// a polynomial of degree 6 on ±ln2/2).
@inline(__always)
func exponential(_ x: Float) -> Float {
    let clamped = max(-87, min(88, x))
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    let shifted = clamped * 1.442_695_04 + 12_582_912
    let integer = shifted - 12_582_912
    let rest = (clamped - integer * 0.693_359_375) + integer * 2.121_944_4e-4
    var polynomial: Float = 1.398_199_95e-3
    polynomial = polynomial * rest + 8.333_452e-3
    polynomial = polynomial * rest + 4.166_579_6e-2
    polynomial = polynomial * rest + 1.666_666_6e-1
    polynomial = polynomial * rest + 5.000_000_1e-1
    polynomial = polynomial * rest * rest + rest + 1
    return polynomial * Float(bitPattern: (shifted.bitPattern &+ 127) << 23)
}

@inline(__always)
func sigmoid(_ x: Float) -> Float { 1 / (1 + exponential(-x)) }

/// Computed through the sigmoid; absolute error below 2e-7.
@inline(__always)
func hyperbolicTangent(_ x: Float) -> Float { 2 / (1 + exponential(-2 * x)) - 1 }

extension Activation {
    func apply(_ input: Matrix) -> Matrix {
        switch self {
        case .relu: input.map { max(0, $0) }
        case .sigmoid: input.map(Training.sigmoid)
        case .tanh: input.map(hyperbolicTangent)
        case .silu: input.map { $0 * Training.sigmoid($0) }
        case .relu6: input.map { min(6, max(0, $0)) }
        case .hardSigmoid: input.map { min(6, max(0, $0 + 3)) / 6 }
        case .hardSwish: input.map { $0 * min(6, max(0, $0 + 3)) / 6 }
        case .gelu: input.filled { elementwise_gelu($0, input.pointer, $1) }
        case .geluTanh: input.map { $0 * Training.sigmoid(Self.doubled($0)) }
        case .quickGELU: input.map { $0 * Training.sigmoid(1.702 * $0) }
        }
    }

    /// The derivative times `gradient`, computed from the input and the output.
    func backward(_ gradient: Matrix, input: Matrix, output: Matrix) -> Matrix {
        switch self {
        case .relu: gradient.combined(input) { $1 > 0 ? $0 : 0 }
        case .sigmoid: gradient.combined(output) { $0 * $1 * (1 - $1) }
        case .tanh: gradient.combined(output) { $0 * (1 - $1 * $1) }
        case .silu:
            gradient.combined(input) { gradient, x in
                let s = Training.sigmoid(x)
                return gradient * (s + x * s * (1 - s))
            }
        case .relu6: gradient.combined(input) { $1 > 0 && $1 < 6 ? $0 : 0 }
        case .hardSigmoid: gradient.combined(input) { $1 > -3 && $1 < 3 ? $0 / 6 : 0 }
        case .hardSwish:
            gradient.combined(input) { gradient, x in
                x <= -3 ? 0 : x >= 3 ? gradient : gradient * (2 * x + 3) / 6
            }
        case .gelu:
            gradient.filled { elementwise_gelu_backward($0, input.pointer, gradient.pointer, $1) }
        case .geluTanh:
            gradient.combined(input) { gradient, x in
                let s = Training.sigmoid(Self.doubled(x))
                let slope: Float = 1.595_769_1 * (1 + 0.134_145 * x * x)
                return gradient * (s + x * s * (1 - s) * slope)
            }
        case .quickGELU:
            gradient.combined(input) { gradient, x in
                let s = Training.sigmoid(1.702 * x)
                return gradient * (s + 1.702 * x * s * (1 - s))
            }
        }
    }

    /// 2 · √(2/π) · (x + 0.044715 x³). Its sigmoid is the (1 + tanh) / 2 of GELU's tanh approximation.
    @inline(__always)
    private static func doubled(_ x: Float) -> Float { 1.595_769_1 * (x + 0.044_715 * x * x * x) }
}

extension Matrix {
    fileprivate func filled(_ body: (_ count: Int, UnsafeMutablePointer<Float>) -> Void) -> Matrix {
        let result = Matrix(rows, columns)
        body(count, result.pointer)
        return result
    }
}

func broadcast(_ bias: UnsafePointer<Float>, into rows: UnsafeMutablePointer<Float>, count: Int, size: Int) {
    for row in 0..<count { (rows + row * size).update(from: bias, count: size) }
}

func add(_ bias: UnsafePointer<Float>, toRows rows: UnsafeMutablePointer<Float>, count: Int, size: Int) {
    for row in 0..<count {
        let target = rows + row * size
        for column in 0..<size { target[column] += bias[column] }
    }
}
