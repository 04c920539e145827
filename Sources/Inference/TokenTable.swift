import NeuralNetwork

/// Interpolates position embeddings from one patch grid to another, along one axis: bicubic with antialiasing as
/// PyTorch's `interpolate` (a = −0.5, as in PIL). Each row of the matrix holds the weights of the learned positions for
/// one new position.
struct PositionResampling {
    /// For each new position, the first contributing old one and the weights from there on.
    let rows: [(first: Int, weights: [Float])]

    init(from old: Int, to new: Int) {
        let scale = Double(old) / Double(new)
        let support = 2 * max(scale, 1)
        rows = (0..<new).map { place in
            let centre = scale * (Double(place) + 0.5)
            let first = max(0, Int(centre - support + 0.5))
            let end = min(old, Int(centre + support + 0.5))
            let weights = (first..<end).map { Self.cubic((Double($0) - centre + 0.5) / max(scale, 1)) }
            let sum = weights.reduce(0, +)
            return (first, weights.map { Float($0 / sum) })
        }
    }

    private static func cubic(_ x: Double) -> Double {
        let (a, x) = (-0.5, abs(x))
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }

    /// Calls `body` for each contribution of a position of the grid `[old, old]` to a position of `[height, width]`,
    /// with the new index, the old index and the weight.
    static func forEachShare(
        grid old: Int, height: Int, width: Int, _ body: (_ new: Int, _ old: Int, _ share: Float) -> Void
    ) {
        let (vertical, horizontal) = (Self(from: old, to: height), Self(from: old, to: width))
        for (y, column) in vertical.rows.enumerated() {
            for (x, row) in horizontal.rows.enumerated() {
                for (dy, a) in column.weights.enumerated() {
                    for (dx, b) in row.weights.enumerated() where a * b != 0 {
                        body(y * width + x, (column.first + dy) * old + row.first + dx, a * b)
                    }
                }
            }
        }
    }
}

/// What is added to the tokens of an image, `[token, element]`; for prefix tokens the token itself.
package struct TokenTable {
    package let embedding: TokenEmbedding
    let height: Int
    let width: Int
    package let size: Int

    /// - `shape`: of the patches.
    package init(_ embedding: TokenEmbedding, _ shape: Graph.Shape) {
        guard case .image(let channels, let height, let width) = shape else { preconditionFailure("no patches") }
        (self.embedding, self.height, self.width, size) = (embedding, height, width, channels)
    }

    var count: Int { embedding.prefix + height * width }

    /// - Parameter parameters: in the order of `TokenEmbedding`.
    package func values(_ parameters: [UnsafePointer<Float>]) -> [Float] {
        var table = [Float](repeating: 0, count: count * size)
        let positions = parameters[parameters.count - 1]
        table.withUnsafeMutableBufferPointer { table in
            guard let start = table.baseAddress else { return }
            func add(_ source: UnsafePointer<Float>, to row: Int, _ share: Float = 1) {
                let target = start + row * size
                for index in 0..<size { target[index] += share * source[index] }
            }
            if embedding.hasClassToken {
                add(parameters[0], to: 0)
                if embedding.positionsCoverClass { add(positions, to: 0) }
            }
            let first = embedding.hasClassToken ? 1 : 0
            for register in 0..<embedding.registers {
                add(parameters[first] + register * size, to: first + register)
            }
            let patches = positions + (embedding.positionsCoverClass ? size : 0)
            PositionResampling.forEachShare(grid: embedding.grid, height: height, width: width) { new, old, share in
                add(patches + old * size, to: embedding.prefix + new, share)
            }
        }
        return table
    }

    package func values(_ parameters: [[Float]]) -> [Float] { withPointers(parameters) { values($0) } }

    /// Accumulates the gradients of the parameters from the table's gradient; nil targets are skipped.
    package func backward(_ gradient: UnsafePointer<Float>, into targets: [UnsafeMutablePointer<Float>?]) {
        func set(_ row: Int, _ target: UnsafeMutablePointer<Float>) {
            target.update(from: gradient + row * size, count: size)
        }
        if embedding.hasClassToken, let target = targets[0] { set(0, target) }
        let first = embedding.hasClassToken ? 1 : 0
        if embedding.registers > 0, let target = targets[first] {
            for register in 0..<embedding.registers { set(first + register, target + register * size) }
        }
        guard let positions = targets[targets.count - 1] else { return }
        let covers = embedding.positionsCoverClass
        positions.update(repeating: 0, count: (embedding.grid * embedding.grid + (covers ? 1 : 0)) * size)
        if covers { set(0, positions) }
        let patches = positions + (covers ? size : 0)
        PositionResampling.forEachShare(grid: embedding.grid, height: height, width: width) { new, old, share in
            let (source, target) = (gradient + (embedding.prefix + new) * size, patches + old * size)
            for index in 0..<size { target[index] += share * source[index] }
        }
    }
}
