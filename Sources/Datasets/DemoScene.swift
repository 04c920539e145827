/// The demo data set: eight actions in four pairs that are each other's time reversal. Neither single frames nor their
/// average distinguish a pair, only the temporal order does.
package enum DemoAction: String, CaseIterable, Sendable {
    case grow, shrink, brighten, darken, multiply, thinOut = "thin-out", warmToCool = "warm-to-cool"
    case coolToWarm = "cool-to-warm"

    /// The cases are listed in pairs, the second of which is the first one backwards.
    private var place: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    package var reversed: DemoAction { Self.allCases[place ^ 1] }
    fileprivate var isBackwards: Bool { place % 2 == 1 }
}

/// A generated clip: plain dark background, bright objects near the centre, mild noise.
package struct DemoScene: Sendable {
    package static let width = 160
    package static let height = 120
    package static let frameRate = 25
    /// Frames per clip: two seconds.
    package static let frameCount = 50

    private let action: DemoAction
    private let ground, color: [Float]
    private let centre: (x: Float, y: Float)
    private let radius: Float
    private let dots: [(x: Float, y: Float)]
    private let noiseSeed: UInt64

    package init(_ action: DemoAction, seed: UInt64) {
        // Both actions of a pair sample from one distribution; only the direction of time differs.
        var generator = SplitMix64(seed: seed)
        self.action = action
        let shade = generator.next(10...30)
        ground = (0..<3).map { _ in shade + generator.next(-4...4) }
        color = (0..<3).map { _ in generator.next(170...250) }
        centre = (generator.next(70...90), generator.next(52...68))
        radius = generator.next(30...42)
        let middle = centre
        dots = (0..<40).map { _ in (middle.x + generator.next(-44...44), middle.y + generator.next(-44...44)) }
        noiseSeed = generator.next()
    }

    /// `[height, width, 3]` pixels of frame `index`, from 0 to `frameCount - 1`.
    package func frame(_ index: Int) -> [UInt8] {
        let step = Float(index) / Float(Self.frameCount - 1)
        let progress = action.isBackwards ? 1 - step : step
        var noise = SplitMix64(seed: noiseSeed &+ UInt64(index) &* 0x9E37_79B9)
        var pixels = [UInt8](repeating: 0, count: Self.width * Self.height * 3)
        pixels.withUnsafeMutableBufferPointer { buffer in
            var position = 0
            for y in 0..<Self.height {
                for x in 0..<Self.width {
                    let (coverage, shade) = object(Float(x) + 0.5, Float(y) + 0.5, progress)
                    let grain = noise.next(-6...6)
                    for channel in 0..<3 {
                        let light = ground[channel] + coverage * (shade[channel] - ground[channel]) + grain
                        buffer[position] = UInt8(max(0, min(255, light)))
                        position += 1
                    }
                }
            }
        }
        return pixels
    }

    /// Coverage of the pixel by the object, and the object's colour.
    private func object(_ x: Float, _ y: Float, _ progress: Float) -> (coverage: Float, shade: SIMD3<Float>) {
        let own = SIMD3(color[0], color[1], color[2])
        switch action {
        case .grow, .shrink: return (disc(x, y, centre, 6 + progress * (radius + 4)), own)
        case .brighten, .darken: return (disc(x, y, centre, radius), own * (0.15 + 0.85 * progress))
        case .multiply, .thinOut:
            let count = 2 + Int(progress * Float(dots.count - 2))
            return (dots.prefix(count).reduce(0) { max($0, disc(x, y, $1, 5)) }, own)
        case .warmToCool, .coolToWarm:
            let (warm, cool) = (SIMD3<Float>(245, 110, 40), SIMD3<Float>(40, 110, 245))
            return (disc(x, y, centre, radius), warm + (cool - warm) * progress)
        }
    }

    /// 1 inside, 0 outside, with a soft edge of one pixel.
    private func disc(_ x: Float, _ y: Float, _ centre: (x: Float, y: Float), _ radius: Float) -> Float {
        let (dx, dy) = (x - centre.x, y - centre.y)
        let squared = dx * dx + dy * dy
        if squared > (radius + 1) * (radius + 1) { return 0 }
        return max(0, min(1, radius + 0.5 - squared.squareRoot()))
    }
}
