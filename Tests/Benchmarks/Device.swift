import Backbones
import Datasets
import Extraction
import Inference

/// Frames a second of a network on the GPU, from bytes in memory to features in memory, as `extract` runs it.
enum DeviceBenchmark {
    static func run(_ backbone: Backbone, _ precision: Precision, batch: Int?, seconds: Double) throws {
        let configuration = ExtractionConfiguration(
            backbone: backbone, weights: .random, tap: "pooled", imageSize: backbone.nativeImageSize,
            sampling: .uniform(frames: 20), precision: precision)
        var extractor = Extractor(
            name: "bench", dataset: DatasetConfiguration(layout: .folders, root: "/"),
            configurations: [configuration], workers: 1, version: "")
        (extractor.device, extractor.deviceBatch) = (.cuda, batch)
        let (recipe, weights) = try extractor.recipe(configuration) { _ in }
        let begin = ContinuousClock.now
        let rate = try extractor.framesPerSecond(recipe, weights, seconds: seconds)
        let taken = (ContinuousClock.now - begin) / .seconds(1)
        let graph = try recipe.graph()
        print(
            """
            {"backbone": "\(backbone.name)", "precision": "\(recipe.precision)", "frames_per_second": \(rate), \
            "tflops": \(rate * 2 * Double(graph.multiplyAdds) / 1e12), "start_up_seconds": \(taken - 2 * seconds), \
            "peak_mib": \(NetworkBenchmark.peakMemory())}
            """)
    }
}
