import COneDNN

/// What a plan is to compute.
struct PlanRequest {
    let graph: Graph
    let output: String
    let batch: Int
    let arithmetic: Arithmetic

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
        case tuned(KernelTuning, allowsWinograd: Bool)
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
    let usesWinograd: Bool

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
        let begin = ContinuousClock.now
        let tuned = try PlanParts(request, weights, .tuned(tuning, allowsWinograd: true))
        tuning.withMeasured { measured in
            if measured.networks[request.signature] == nil {
                measured.networks[request.signature] = (ContinuousClock.now - begin) / .seconds(1)
            }
        }
        guard tuned.usesWinograd else { return tuned }
        let key = weights.identity.map { request.signature + " " + $0 }
        let known = key.flatMap { key in tuning.withMeasured { $0.errors[key] } }
        let error = try known ?? difference(tuned, request, weights, tuning)
        if let key { tuning.withMeasured { $0.errors[key] = error } }
        return error <= tolerance ? tuned : try PlanParts(request, weights, .tuned(tuning, allowsWinograd: false))
    }

    /// How far features are from those of the direct sums.
    private static func difference(
        _ tuned: PlanParts, _ request: PlanRequest, _ weights: PackedWeights, _ tuning: KernelTuning
    ) throws -> Double {
        let direct = try PlanParts(request, weights.unpacked(), .tuned(tuning, allowsWinograd: false))
        return try InferencePlan(tuned).difference(from: InferencePlan(direct))
    }

    init(_ request: PlanRequest, _ weights: PackedWeights, _ selection: KernelSelection) throws {
        let graph = request.graph
        guard let node = graph.outputs[request.output] else {
            throw PlanError.unknownOutput(request.output, available: graph.outputs.keys.sorted())
        }
        batch = request.batch
        precondition(batch > 0)
        lowering = try Lowering(graph, output: node)
        context = try Context()
        var choice: KernelChoice?
        var quantization: Quantization?
        let element = request.arithmetic.precision == .bf16 ? ONEDNN_BF16 : ONEDNN_F32
        if case .int8(let calibration) = request.arithmetic {
            let own = Quantization(lowering, calibration)
            try weights.prepareScales(lowering.convolutions.filter(own.isInteger), in: graph)
            quantization = own
        } else if case .tuned(let tuning, let allowsWinograd) = selection {
            choice = try KernelChoice(
                lowering, batch: batch, element: element, allowsWinograd: allowsWinograd, tuning: tuning,
                context: context)
        }
        var compiler = PlanCompiler(
            graph: graph, batch: batch, context: context, weights: weights, element: element,
            quantization: quantization, choice: choice)
        operations = try compiler.compile(lowering)
        layers = try weights.layers(operations.compactMap(\.layer), in: graph)
        tables = try weights.tables(operations.compactMap(\.table), in: graph)
        self.compiler = compiler
        outputShape = try graph.featureShape(of: request.output)
        usesWinograd = choice?.usesWinograd ?? false
    }
}

extension InferencePlan {
    /// The largest difference of features of made-up pictures, of the largest feature.
    func difference(from other: InferencePlan) throws -> Double {
        let pixels = SamplePictures.pixels(count: batch, shape: inputShape)
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25])
        let own = try run(pixels: pixels, normalization: normalization).values
        let reference = try other.run(pixels: pixels, normalization: normalization).values
        let largest = reference.reduce(0) { max($0, abs($1)) }
        let worst = zip(own, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
        // Weights that hold NaN fail whatever the algorithm; they are reported elsewhere.
        return worst.isFinite && largest > 0 ? Double(worst / largest) : 0
    }
}

/// Pictures with edges, areas and noise, always the same.
enum SamplePictures {
    static func pixels(count: Int, shape: ImageShape) -> [UInt8] {
        let random = RandomParameters()
        return (0..<count).flatMap { picture -> [UInt8] in
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
