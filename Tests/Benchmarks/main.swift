import Backbones
import Foundation
import Inference

// Benchmarks individual parts of the program.
//
//     Benchmarks BACKBONE [PRECISION [WORKERS [BATCH [SECONDS [untuned]]]]]
//     Benchmarks steps BACKBONE [PRECISION [BATCH [untuned]]]      time of each step on one core
//     Benchmarks peak
//     Benchmarks device BACKBONE [PRECISION [BATCH [SECONDS]]]     a backbone alone on the GPU
//     Benchmarks head gru|bilstm|gru-labels|bilstm-labels [EPOCHS]
//     Benchmarks labels FOLDER [CLIPS]           clips with two independent actions, and a list of their labels
//     Benchmarks noise [SEEDS]                   average precision of labels that nothing predicts
//     Benchmarks train small_cnn|resnet18|vgg16 [STEPS]
//     Benchmarks folds [CLIPS [FEATURES]]        five folds of a small data set
//     Benchmarks search [CLIPS [FEATURES]]       exact search for similar clips
//     Benchmarks coverage [DATASETS]             coverage of a cross-validation's interval
//     Benchmarks tokens clip|pieces VOCABULARY TEXTS      tokens of a JSON list of texts
//     Benchmarks phrases CLIPS NUMBERS CACHE      a text query after text encoding
//     Benchmarks load GIGABYTES CACHE            creates the cache if it does not exist
//
// Prints one JSON object.

let arguments = CommandLine.arguments

func argument<Value>(_ index: Int, _ fallback: Value, _ read: (String) -> Value?) -> Value {
    arguments.count > index ? read(arguments[index]) ?? fallback : fallback
}

func number(_ index: Int, _ fallback: Int) -> Int { argument(index, fallback) { Int($0) } }

switch arguments.count > 1 ? arguments[1] : "" {
case "device" where arguments.count > 2 && Backbone.named(arguments[2]) != nil:
    guard let backbone = Backbone.named(arguments[2]) else { break }
    try DeviceBenchmark.run(
        backbone, argument(3, .f32) { Precision(rawValue: $0) }, batch: argument(4, nil) { Int($0) },
        seconds: argument(5, 5) { Double($0) })
case "head" where arguments.count > 2: try HeadBenchmark.run(arguments[2], epochs: number(3, 5))
case "train" where arguments.count > 2: try TrainingBenchmark.run(arguments[2], steps: number(3, 5))
case "folds": try FoldsBenchmark.run(clips: number(2, 300), size: number(3, 512))
case "labels" where arguments.count > 2: try LabelClips.write(to: arguments[2], count: number(3, 240))
case "noise": try NoiseBenchmark.run(seeds: number(2, 40))
case "search": try SearchBenchmark.run(clips: number(2, 100_000), size: number(3, 2048))
case "coverage": try CoverageBenchmark.run(datasets: number(2, 200))
case "tokens" where arguments.count > 4:
    try TokenPrinter.run(arguments[2], vocabulary: arguments[3], texts: arguments[4])
case "peak": try PeakBenchmark.run()
case "phrases" where arguments.count > 4:
    try PhraseBenchmark.run(clips: number(2, 100_000), size: number(3, 512), path: arguments[4])
case "load" where arguments.count > 3:
    try LoadingBenchmark.run(gigabytes: Double(arguments[2]) ?? 2, path: arguments[3])
case let mode:
    let first = mode == "steps" && arguments.count > 2 ? 2 : 1
    guard arguments.count > first, let (backbone, model) = NetworkBenchmark.backbone(arguments[first]) else {
        print("usage: Benchmarks BACKBONE [PRECISION [WORKERS [BATCH [SECONDS [untuned]]]]]")
        exit(2)
    }
    let precision = argument(first + 1, Precision.f32) { Precision(rawValue: $0) }
    if first == 2 {
        try NetworkBenchmark.steps(
            .init(
                backbone: backbone, precision: precision, workers: 1, batch: number(4, 10), seconds: 0,
                isTuned: argument(5, true) { $0 != "untuned" }, model: model))
    } else {
        try NetworkBenchmark.run(
            .init(
                backbone: backbone, precision: precision,
                workers: number(3, ProcessInfo.processInfo.activeProcessorCount),
                batch: number(4, min(10, backbone.framesAtOnce)), seconds: argument(5, 5) { Double($0) },
                isTuned: argument(6, true) { $0 != "untuned" }, model: model))
    }
}
