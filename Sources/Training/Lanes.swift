import Inference

/// A SIMD vector. The compiler does not vectorise loops over several pointers by itself, because it cannot prove that
/// they do not overlap.
typealias Lanes = SIMD8<Float>

/// Loads `count` elements; the remaining lanes are zero. `count` is 8 except at the end of a row.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ count: Int) -> Lanes {
    if count == Lanes.scalarCount { return UnsafeRawPointer(pointer).loadUnaligned(as: Lanes.self) }
    var lanes = Lanes()
    for index in 0..<count { lanes[index] = pointer[index] }
    return lanes
}

@inline(__always)
func store(_ lanes: Lanes, _ pointer: UnsafeMutablePointer<Float>, _ count: Int) {
    if count == Lanes.scalarCount {
        UnsafeMutableRawPointer(pointer).storeBytes(of: lanes, as: Lanes.self)
    } else {
        for index in 0..<count { pointer[index] = lanes[index] }
    }
}

/// Calls `body` with the start and the length of each vector of `count` elements.
@inline(__always)
func forEachPiece(_ count: Int, _ body: (_ start: Int, _ length: Int) -> Void) {
    // A single call of `body`, so that it is inlined.
    var start = 0
    while start < count {
        body(start, min(Lanes.scalarCount, count - start))
        start += Lanes.scalarCount
    }
}

/// eˣ with a relative error below 2e-7 for x in [−87, 88]; clamped outside (Cody and Waite's reduction,
/// a polynomial of degree 6 on ±ln2/2).
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
    // `clamped` would call a function for each lane.
    let low = x.replacing(with: -87, where: x .< -87)
    let clamped = low.replacing(with: 88, where: low .> 88)
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    let shifted = clamped * 1.442_695_04 + 12_582_912
    let integer = shifted - 12_582_912
    let rest = (clamped - integer * 0.693_359_375) + integer * 2.121_944_4e-4
    var polynomial = Lanes(repeating: 1.398_199_95e-3)
    polynomial = polynomial * rest + 8.333_452e-3
    polynomial = polynomial * rest + 4.166_579_6e-2
    polynomial = polynomial * rest + 1.666_666_6e-1
    polynomial = polynomial * rest + 5.000_000_1e-1
    polynomial = polynomial * rest * rest + rest + 1
    let bits = (unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &+ 127) &<< 23
    return polynomial * unsafeBitCast(bits, to: Lanes.self)
}

@inline(__always)
func sigmoid(_ x: Lanes) -> Lanes { 1 / (1 + exponential(0 - x)) }

/// Computed through the sigmoid; absolute error below 2e-7.
@inline(__always)
func hyperbolicTangent(_ x: Lanes) -> Lanes { 2 / (1 + exponential(-2 * x)) - 1 }
