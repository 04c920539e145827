import COneDNN
import NeuralNetwork
import Threads

struct PlanRequest {
    let graph: Graph
    let output: String
    var batch: Int
    let arithmetic: Arithmetic
    /// Expected number of images for such plans, against which tuning must pay off. Nil if unknown.
    var images: Int?

    /// Element type of values that are not quantised.
    var element: onednn_element { arithmetic.precision == .bf16 ? ONEDNN_BF16 : ONEDNN_F32 }

    var node: Graph.NodeID { get throws { try graph.node(of: output) } }

    /// Identifies the network for the cache of kernel measurements.
    var signature: String {
        "\(graph.nodes.count) nodes \(graph.nodes[0].shape) \(output) \(batch) \(arithmetic.precision.rawValue)"
    }
}

/// A graph lowered and compiled to oneDNN primitives, with its packed weights.
struct CompiledPlan {
    let batch: Int
    let context: Context
    let lowering: Lowering
    let compiler: PlanCompiler
    let operations: [PlanCompiler.Operation]
    /// Weights of the operations that have any, in order.
    let layers: [PackedWeights.Layer]
    /// Tables of the operations that read one, in order.
    let tables: [PackedWeights.Table]
    let outputShape: [Int]

    /// Maximum difference of the features from those of direct convolution, relative to the largest feature.
    static let tolerance = 2e-4

    /// Selects the fastest kernels for which features differ from those of direct convolution by at most `tolerance`.
    init(_ request: PlanRequest, _ weights: PackedWeights, tuning: KernelTuning?) throws {
        if let tuning {
            self = try tuning.serially { try Self.checked(request, weights, tuning) }
        } else {
            try self.init(request, weights)
        }
    }

    private static func checked(
        _ request: PlanRequest, _ weights: PackedWeights, _ tuning: KernelTuning
    ) throws -> CompiledPlan {
        guard request.arithmetic.precision != .int8 else { return try CompiledPlan(request, weights) }
        let lowering = try Lowering(request.graph, output: request.node)
        let times = try KernelTimes(
            lowering, batch: request.batch, element: request.element, images: request.images, tuning: tuning,
            context: Context())
        let fastest = KernelChoice(lowering, times, allowsWinograd: true)
        guard fastest.winogradCount > 0 else { return try CompiledPlan(request, weights, fastest) }
        let key = weights.identity.map { "\(request.signature) \($0) \(fastest.winogradCount) winograd" }
        let known = key.flatMap { key in tuning.withMeasured { $0.errors[key] } }
        let direct = KernelChoice(lowering, times, allowsWinograd: false)
        if known.map({ $0 > tolerance }) ?? !isWorthChecking(fastest, direct, request) {
            return try CompiledPlan(request, weights, direct)
        }
        let parts = try CompiledPlan(request, weights, fastest)
        if known != nil { return parts }
        let error = try difference(parts, fastest.direct, request, weights)
        if let key { tuning.withMeasured { $0.errors[key] = error } }
        return error <= tolerance ? parts : try CompiledPlan(request, weights, direct)
    }

    /// Images on which the difference is measured.
    private static let checkedPictures = 2

    /// Whether the time saved on the remaining images exceeds the cost of the check: one run, a second one of a few
    /// images, and about as much again for packing weights.
    private static func isWorthChecking(
        _ fastest: KernelChoice, _ direct: KernelChoice, _ request: PlanRequest
    ) -> Bool {
        guard let images = request.images else { return true }
        let gain = (direct.seconds - fastest.seconds) * Double(images) / Double(request.batch)
        return gain > 2 * fastest.seconds
    }

    /// Maximum difference of the features from those of direct convolution, relative to the largest feature. The
    /// reference is computed in another thread meanwhile; layers with the same kernels share their weights.
    private static func difference(
        _ parts: CompiledPlan, _ choice: KernelChoice, _ request: PlanRequest, _ weights: PackedWeights
    ) throws -> Double {
        var few = request
        few.batch = min(request.batch, checkedPictures)
        let pixels = SampleImages.pixels(count: few.batch, shape: parts.lowering.shapes[parts.lowering.input])
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25])
        let direct = Future { [few] in
            ArithmeticLibrary.setThreadsOfCallingThread(1)
            return try CompiledPlan(few, weights, choice, packs: false).runOnce(pixels, normalization, weights)
                .values
        }
        let own = try InferencePlan(parts).run(pixels: pixels, normalization: normalization).values
        let reference = try direct.value()
        let largest = reference.reduce(0) { max($0, abs($1)) }
        let worst = zip(own, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
        // Weights with NaN fail with any algorithm and are reported elsewhere.
        return worst.isFinite && largest > 0 ? Double(worst / largest) : 0
    }

    /// `choice`: nil leaves kernels and formats to oneDNN. `packs`: false omits the packed layers, for `runOnce`.
    init(_ request: PlanRequest, _ weights: PackedWeights, _ choice: KernelChoice? = nil, packs: Bool = true) throws {
        let graph = request.graph
        batch = request.batch
        precondition(batch > 0)
        lowering = try Lowering(graph, output: request.node)
        context = try Context()
        var quantization: Quantization?
        if case .int8(let calibration) = request.arithmetic {
            let own = Quantization(lowering, calibration)
            try weights.prepareScales(lowering.convolutions.filter(own.isInteger), in: graph)
            quantization = own
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

/// Deterministic images with edges, areas and noise.
enum SampleImages {
    static func pixels(count: Int, shape: ImageShape) -> [UInt8] {
        let random = RandomParameters()
        return (0..<count * shape.frames).flatMap { image -> [UInt8] in
            let tiles = image % 8 + 3
            let coarse = random.uniform("sample \(image) tiles", count: tiles * tiles * 3)
            let fine = random.uniform("sample \(image) noise", count: 4096)
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
