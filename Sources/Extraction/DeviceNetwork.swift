import Backbones
import Foundation
import Inference
import NeuralNetwork
import ONNX
import ONNXRuntime

/// A recipe's network on a GPU: one for all threads that decode, whose frames are joined into batches of one size.
final class DeviceNetwork: FrameNetwork, Sendable {
    /// Frames, or windows, that the GPU sees at once.
    let batch: Int
    /// Bytes of one frame, or window, as the network is shown it.
    let pictureBytes: Int
    private let queue: FrameQueue

    /// Batches that are on their way at the same time: while one is computed, the next are copied.
    private static let runs = 3

    /// Hands the network over to the GPU, in smaller batches where its memory is too small, and in a slower form where the
    /// libraries do not take it in a faster one.
    ///
    /// - Parameters:
    ///   - provider: nil for the GPU.
    ///   - wanted: frames at once; nil for what the network's size suggests.
    ///   - forms: nil for what suits the precision.
    /// - Throws: `RuntimeError`, `WeightsError`, `ExportError`.
    init(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, on provider: RuntimeSession.Provider? = nil,
        batch wanted: Int? = nil, forms: [Form]? = nil
    ) throws {
        let graph = try recipe.graph()
        var forms = forms ?? Form.all(graph, recipe.precision, on: provider)
        var batch = wanted ?? Self.batch(graph)
        while true {
            do {
                let form = forms[0]
                let provider = provider ?? .cuda(recipe.precision.options(isRecorded: form.isRecorded))
                (queue, pictureBytes) = try Self.start(recipe, source, form, provider, batch: batch)
                self.batch = batch
                return
            } catch RuntimeError.outOfMemory where batch > 1 {
                batch = (batch + 1) / 2
            } catch let error as RuntimeError where forms.count > 1 && error.mayBeOfForm {
                forms.removeFirst()
            }
        }
    }

    /// Starts the threads that compute, and waits until they can.
    private static func start(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, _ form: Form, _ provider: RuntimeSession.Provider,
        batch: Int
    ) throws -> (queue: FrameQueue, pictureBytes: Int) {
        let model = try DeviceModel(recipe, source, batch: batch, form.operators)
        defer { model.remove() }
        let queue = FrameQueue(batch: batch, pictureBytes: model.input.count / batch)
        for _ in 0..<runs { run(model, provider, queue) }
        do {
            try queue.waitUntilReady(runs)
        } catch {
            queue.stop()
            throw error
        }
        return (queue, queue.pictureBytes)
    }

    /// Starts a thread with a session of its own.
    private static func run(_ model: DeviceModel, _ provider: RuntimeSession.Provider, _ queue: FrameQueue) {
        queue.begin()
        let thread = Thread {
            do {
                let exchange = try model.exchange(on: provider)
                queue.addReady()
                while let pieces = queue.take() {
                    var place = 0
                    // What stands in the rest of an unfilled batch changes nothing of the frames beside it.
                    for piece in pieces {
                        piece.copy(of: queue.pictureBytes, to: exchange, at: place)
                        place += piece.count
                    }
                    let result = Result { try exchange.run() }.map {
                        exchange.numbers(0..<place * model.rowSize)
                    }
                    queue.finish(pieces, result)
                }
            } catch {
                queue.fail(error)
            }
            queue.end()
        }
        thread.stackSize = 16 << 20
        thread.start()
    }

    /// As many as keep a GPU busy: about 2.3 million million multiplications, from 16 to 128.
    private static func batch(_ graph: Graph) -> Int {
        max(16, min(128, 2_300_000_000_000 / max(1, graph.multiplyAdds) / 16 * 16))
    }

    /// Features of frames, computed together with those that other threads ask for at the same time.
    func features(of pictures: [[UInt8]]) throws -> [Float] { try queue.features(of: pictures) }

    /// Gives the GPU's memory back; the process must not end before.
    func close() { queue.stop() }
}

/// The network as a file that ONNX Runtime reads.
private struct DeviceModel: Sendable {
    let input: RuntimeSession.Value
    let output: RuntimeSession.Value
    let rowSize: Int
    private let folder: String

    private var path: String { folder + "/network.onnx" }

    init(
        _ recipe: ExtractionRecipe, _ source: any ParameterSource, batch: Int,
        _ operators: ModelWriter.OwnOperators
    ) throws {
        let graph = try recipe.graph()
        let encoder = NetworkWriter.Encoder(
            graph: graph, source: source, tap: recipe.tap, imageSize: recipe.imageSize,
            normalization: recipe.input.normalization, storesHalves: false)
        rowSize = try graph.featureShape(of: recipe.tap).reduce(1, *)
        input = .init("frames", shape: [1, batch] + encoder.pictureShape)
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

    /// A session, after a first run, which allocates what later ones need.
    func exchange(on provider: RuntimeSession.Provider) throws -> RuntimeExchange {
        let exchange = try RuntimeExchange(
            RuntimeSession(model: path, on: provider), input: input, output: output)
        try exchange.run()
        return exchange
    }
}

extension Precision {
    /// What a model's numbers are.
    fileprivate var element: ModelWriter.Element {
        switch self {
        case .f32, .tf32, .int8: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        }
    }

    fileprivate func options(isRecorded: Bool) -> RuntimeSession.CUDAOptions {
        // There are no kernels for `bf16` images with channels last.
        RuntimeSession.CUDAOptions(
            allowsTF32: self == .tf32, channelsLast: self != .bf16, recordsRuns: isRecorded)
    }
}
