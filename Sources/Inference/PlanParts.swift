import COneDNN
import NeuralNetwork

/// What a plan is to compute.
struct PlanRequest {
    let graph: Graph
    let output: String
    var batch: Int
    let arithmetic: Arithmetic
    /// How many pictures are left for such plans: finding out what is fastest must pay. Nil where that is unknown.
    var pictures: Int?

    /// Of the values that are no whole numbers.
    var element: onednn_element { arithmetic.precision == .bf16 ? ONEDNN_BF16 : ONEDNN_F32 }

    /// The graph's node that is wanted.
    var node: Graph.NodeID {
        get throws {
            guard let node = graph.outputs[output] else {
                throw PlanError.unknownOutput(output, available: graph.outputs.keys.sorted())
            }
            return node
        }
    }

    /// Tells which network it is, as far as kernels are concerned.
    var signature: String {
        "\(graph.nodes.count) nodes \(graph.nodes[0].shape) \(output) \(batch) \(arithmetic.precision.rawValue)"
    }
}

/// What a plan is made of.
struct PlanParts {
    /// Where kernels come from.
    enum KernelSelection {
        case library
        case chosen(KernelChoice)
    }

    let batch: Int
    let context: Context
    let lowering: Lowering
    let compiler: PlanCompiler
    let operations: [PlanCompiler.Operation]
    /// Of the operations that have weights, in order.
    let layers: [PackedWeights.Layer]
    /// Of the operations that read one, in order.
    let tables: [PackedWeights.Table]
    let outputShape: [Int]

    /// The largest difference that another algorithm than the direct sum may make, of the largest feature.
    static let tolerance = 2e-4

    /// The fastest plan whose features are within `tolerance` of the direct sum's.
    init(_ request: PlanRequest, _ weights: PackedWeights, tuning: KernelTuning?) throws {
        if let tuning {
            self = try tuning.serially { try Self.checked(request, weights, tuning) }
        } else {
            try self.init(request, weights, .library)
        }
    }

    private static func checked(
        _ request: PlanRequest, _ weights: PackedWeights, _ tuning: KernelTuning
    ) throws -> PlanParts {
        guard request.arithmetic.precision != .int8 else { return try PlanParts(request, weights, .library) }
        let lowering = try Lowering(request.graph, output: request.node)
        let times = try KernelTimes(
            lowering, batch: request.batch, element: request.element, pictures: request.pictures, tuning: tuning,
            context: Context())
        let fastest = KernelChoice(lowering, times, allowsWinograd: true)
        guard fastest.winogradCount > 0 else { return try PlanParts(request, weights, .chosen(fastest)) }
        let key = weights.identity.map { "\(request.signature) \($0) \(fastest.winogradCount) winograd" }
        let known = key.flatMap { key in tuning.withMeasured { $0.errors[key] } }
        let direct = KernelChoice(lowering, times, allowsWinograd: false)
        if known.map({ $0 > tolerance }) ?? !isWorthChecking(fastest, direct, request) {
            return try PlanParts(request, weights, .chosen(direct))
        }
        let parts = try PlanParts(request, weights, .chosen(fastest))
        if known != nil { return parts }
        let error = try difference(parts, fastest.direct, request, weights)
        if let key { tuning.withMeasured { $0.errors[key] = error } }
        return error <= tolerance ? parts : try PlanParts(request, weights, .chosen(direct))
    }

    /// Pictures that the check looks at.
    private static let checkedPictures = 2

    /// Whether what is gained on the pictures that are left is more than the check costs: a run, a second one of a few
    /// pictures, and about as much again for laying out weights.
    private static func isWorthChecking(
        _ fastest: KernelChoice, _ direct: KernelChoice, _ request: PlanRequest
    ) -> Bool {
        guard let pictures = request.pictures else { return true }
        let gain = (direct.seconds - fastest.seconds) * Double(pictures) / Double(request.batch)
        return gain > 2 * fastest.seconds
    }

    /// How far features are from those of the direct sums, which another thread computes meanwhile. Layers that are
    /// computed alike share their weights.
    private static func difference(
        _ parts: PlanParts, _ choice: KernelChoice, _ request: PlanRequest, _ weights: PackedWeights
    ) throws -> Double {
        var few = request
        few.batch = min(request.batch, checkedPictures)
        let pixels = SamplePictures.pixels(count: few.batch, shape: parts.lowering.shapes[parts.lowering.input])
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25])
        let direct = Later { [few] in
            try PlanParts(few, weights, .chosen(choice), packs: false).runOnce(pixels, normalization, weights).values
        }
        let own = try InferencePlan(parts).run(pixels: pixels, normalization: normalization).values
        let reference = try direct.value()
        let largest = reference.reduce(0) { max($0, abs($1)) }
        let worst = zip(own, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
        // Weights that hold NaN fail whatever the algorithm; they are reported elsewhere.
        return worst.isFinite && largest > 0 ? Double(worst / largest) : 0
    }

    /// - Parameter packs: false leaves the layers out, for `runOnce`.
    init(
        _ request: PlanRequest, _ weights: PackedWeights, _ selection: KernelSelection, packs: Bool = true
    ) throws {
        let graph = request.graph
        batch = request.batch
        precondition(batch > 0)
        lowering = try Lowering(graph, output: request.node)
        context = try Context()
        var choice: KernelChoice?
        var quantization: Quantization?
        if case .int8(let calibration) = request.arithmetic {
            let own = Quantization(lowering, calibration)
            try weights.prepareScales(lowering.convolutions.filter(own.isInteger), in: graph)
            quantization = own
        } else if case .chosen(let chosen) = selection {
            choice = chosen
        }
        var compiler = PlanCompiler(
            graph: graph, batch: batch, context: context, weights: weights, element: request.element,
            quantization: quantization, choice: choice)
        operations = try compiler.compile(lowering)
        layers = packs ? try weights.layers(operations.compactMap(\.layer), in: graph) : []
        tables = try weights.tables(operations.compactMap(\.table), in: graph)
        self.compiler = compiler
        outputShape = try graph.featureShape(of: request.output)
    }
}

/// Pictures with edges, areas and noise, always the same.
enum SamplePictures {
    static func pixels(count: Int, shape: ImageShape) -> [UInt8] {
        let random = RandomParameters()
        return (0..<count * shape.frames).flatMap { picture -> [UInt8] in
            let tiles = picture % 8 + 3
            let coarse = random.uniform("sample \(picture) tiles", count: tiles * tiles * 3)
            let fine = random.uniform("sample \(picture) noise", count: 4096)
            var pixels = [UInt8](repeating: 0, count: shape.height * shape.width * 3)
            for index in pixels.indices {
                let (row, column) = (index / 3 / shape.width, index / 3 % shape.width)
                let tile = row * tiles / shape.height * tiles + column * tiles / shape.width
                pixels[index] = UInt8(215 * coarse[tile * 3 + index % 3] + 40 * fine[(index &* 31) % 4096])
            }
            return pixels
        }
    }
}
