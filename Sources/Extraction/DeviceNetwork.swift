import Backbones
import Foundation
import Inference
import NeuralNetwork
import ONNX
import ONNXRuntime
import Threads

/// A recipe's network on a GPU, shared by all decoding threads, whose frames are collected into batches of one size.
final class DeviceNetwork: FrameNetwork, Sendable {
    /// Frames, or windows, per GPU batch.
    let batch: Int
    /// Bytes of one frame or window as the network's input.
    let imageBytes: Int
    private let queue: DeviceBatcher

    /// Concurrent batches: while one is computed, the next are copied.
    private static let runs = 3

    /// Loads the network onto the GPU, with smaller batches if memory runs out, and with a slower variant if the
    /// libraries reject a faster one. `provider`: nil for the GPU. `wanted`: batch size; nil derives it from the
    /// network's size. `variants`: nil selects those for the precision. Throws `RuntimeError`, `WeightsError`,
    /// `ExportError`.
    init(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, on provider: RuntimeSession.Provider? = nil,
        batch wanted: Int? = nil, variants: [DeviceGraphVariant]? = nil
    ) throws {
        let graph = try recipe.graph(source)
        var variants = variants ?? DeviceGraphVariant.all(graph, recipe.precision, on: provider)
        var batch = wanted ?? Self.batch(graph)
        while true {
            do {
                let variant = variants[0]
                let provider = provider ?? .cuda(recipe.precision.options(isRecorded: variant.isRecorded))
                (queue, imageBytes) = try Self.start(recipe, source, variant, provider, batch: batch)
                self.batch = batch
                return
            } catch RuntimeError.outOfMemory where batch > 1 {
                batch = (batch + 1) / 2
            } catch let error as RuntimeError where variants.count > 1 && error.mayDependOnVariant {
                variants.removeFirst()
            }
        }
    }

    private static func start(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, _ variant: DeviceGraphVariant,
        _ provider: RuntimeSession.Provider, batch: Int
    ) throws -> (queue: DeviceBatcher, imageBytes: Int) {
        let model = try DeviceModel(recipe, source, batch: batch, variant.operators)
        defer { model.remove() }
        let queue = DeviceBatcher(batch: batch, imageBytes: model.input.count / batch)
        for _ in 0..<runs { run(model, provider, queue) }
        do {
            try queue.waitUntilReady(runs)
        } catch {
            queue.stop()
            throw error
        }
        return (queue, queue.imageBytes)
    }

    /// Starts a thread with its own session.
    private static func run(_ model: DeviceModel, _ provider: RuntimeSession.Provider, _ queue: DeviceBatcher) {
        queue.begin()
        startThread {
            do {
                let exchange = try model.exchange(on: provider)
                queue.addReady()
                while let pieces = queue.take() {
                    var place = 0
                    // Stale data in the rest of a partly filled batch does not affect other frames.
                    for piece in pieces {
                        piece.copy(of: queue.imageBytes, to: exchange, at: place)
                        place += piece.count
                    }
                    let result = Result { try exchange.run() }.map { exchange.numbers(0..<place * model.rowSize) }
                    queue.finish(pieces, result)
                }
            } catch {
                queue.fail(error)
            }
            queue.end()
        }
    }

    /// A batch size that saturates a GPU: about 2.3e12 multiply-adds, from 16 to 128 frames.
    private static func batch(_ graph: Graph) -> Int {
        max(16, min(128, 2_300_000_000_000 / max(1, graph.multiplyAdds) / 16 * 16))
    }

    func features(of images: [[UInt8]]) throws -> [Float] { try queue.features(of: images) }

    /// Releases the GPU memory; must be called before the process exits.
    func close() { queue.stop() }
}

private struct DeviceModel: Sendable {
    let input: RuntimeSession.Value
    let output: RuntimeSession.Value
    let rowSize: Int
    private let folder: String

    private var path: String { folder + "/network.onnx" }

    init(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, batch: Int, _ operators: ModelWriter.CustomOperators
    ) throws {
        let graph = try recipe.graph(source)
        let encoder = NetworkWriter.Encoder(
            graph: graph, source: source, tap: recipe.tap, imageSize: recipe.imageSize,
            normalization: recipe.input.normalization, storesHalves: false)
        rowSize = try graph.featureShape(of: recipe.tap).reduce(1, *)
        input = .init("frames", shape: [1, batch] + encoder.imageShape)
        output = .init("features", shape: [1, batch, rowSize])
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("zoetrope-device-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do {
            let numbers = graph.parameters(for: recipe.tap).reduce(0) { $0 + $1.count }
            let model = try ModelWriter(
                path: path, weights: .f32, weightBytes: numbers * 4,
                target: .onnxRuntime(recipe.precision.element, operators))
            try NetworkWriter(model).write(encoder, count: batch)
            try model.write(name: recipe.backbone, version: "", metadata: [:])
        } catch {
            remove()
            throw error
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Creates a session and runs it once, so that its memory is allocated.
    func exchange(on provider: RuntimeSession.Provider) throws -> RuntimeExchange {
        let exchange = try RuntimeExchange(RuntimeSession(model: path, on: provider), input: input, output: output)
        try exchange.run()
        return exchange
    }
}

extension Precision {
    fileprivate var element: ModelWriter.Element {
        switch self {
        case .f32, .tf32, .int8: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        }
    }

    fileprivate func options(isRecorded: Bool) -> RuntimeSession.CUDAOptions {
        // There are no `bf16` kernels for channels-last images.
        RuntimeSession.CUDAOptions(allowsTF32: self == .tf32, channelsLast: self != .bf16, recordsRuns: isRecorded)
    }
}
