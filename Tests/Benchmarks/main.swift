import Backbones
import Foundation
import Inference

// Measures parts of the program by themselves.
//
//     Benchmarks BACKBONE [PRECISION [WORKERS [BATCH [SECONDS [untuned]]]]]
//     Benchmarks steps BACKBONE [PRECISION [BATCH [untuned]]]      what each step takes on one core
//     Benchmarks peak
//     Benchmarks device BACKBONE [PRECISION [BATCH [SECONDS]]]     a network alone on the GPU
//     Benchmarks head gru|bilstm [EPOCHS]
//     Benchmarks train small_cnn|resnet18|vgg16 [STEPS]
//     Benchmarks folds [CLIPS [FEATURES]]        five folds of a small collection
//     Benchmarks search [CLIPS [FEATURES]]       exact search for what is alike
//     Benchmarks coverage [DATASETS]             how often a cross-validation's interval holds the true accuracy
//     Benchmarks tokens clip|pieces VOCABULARY TEXTS      tokens of a JSON list of texts
//     Benchmarks phrases CLIPS NUMBERS CACHE      a question in words, once it is a vector
//     Benchmarks load GIGABYTES CACHE            makes the cache where it is not there
//
// Prints one JSON object.

let arguments = CommandLine.arguments

func argument<Value>(_ index: Int, _ fallback: Value, _ read: (String) -> Value?) -> Value {
    arguments.count > index ? read(arguments[index]) ?? fallback : fallback
}

if arguments.count > 2, arguments[1] == "device", let backbone = Backbone.named(arguments[2]) {
    try DeviceBenchmark.run(
        backbone, argument(3, .f32) { Precision(rawValue: $0) }, batch: argument(4, nil) { Int($0) },
        seconds: argument(5, 5) { Double($0) })
} else if arguments.count > 2, arguments[1] == "head" {
    try HeadBenchmark.run(arguments[2], epochs: argument(3, 5) { Int($0) })
} else if arguments.count > 2, arguments[1] == "train" {
    try TrainingBenchmark.run(arguments[2], steps: argument(3, 5) { Int($0) })
} else if arguments.count > 1, arguments[1] == "folds" {
    try FoldsBenchmark.run(clips: argument(2, 300) { Int($0) }, size: argument(3, 512) { Int($0) })
} else if arguments.count > 1, arguments[1] == "search" {
    try SearchBenchmark.run(clips: argument(2, 100_000) { Int($0) }, size: argument(3, 2048) { Int($0) })
} else if arguments.count > 1, arguments[1] == "coverage" {
    try CoverageBenchmark.run(datasets: argument(2, 200) { Int($0) })
} else if arguments.count > 4, arguments[1] == "tokens" {
    try TokenPrinter.run(arguments[2], vocabulary: arguments[3], texts: arguments[4])
} else if arguments.count > 1, arguments[1] == "peak" {
    try PeakBenchmark.run()
} else if arguments.count > 4, arguments[1] == "phrases" {
    try PhraseBenchmark.run(
        clips: argument(2, 100_000) { Int($0) }, size: argument(3, 512) { Int($0) }, path: arguments[4])
} else if arguments.count > 3, arguments[1] == "load" {
    try LoadingBenchmark.run(gigabytes: Double(arguments[2]) ?? 2, path: arguments[3])
} else if arguments.count > 2, arguments[1] == "steps", let (backbone, model) = NetworkBenchmark.backbone(arguments[2])
{
    try NetworkBenchmark.steps(
        .init(
            backbone: backbone, precision: argument(3, .f32) { Precision(rawValue: $0) }, workers: 1,
            batch: argument(4, 10) { Int($0) }, seconds: 0, isTuned: argument(5, true) { $0 != "untuned" }, model: model
        ))
} else if arguments.count > 1, let (backbone, model) = NetworkBenchmark.backbone(arguments[1]) {
    try NetworkBenchmark.run(
        .init(
            backbone: backbone, precision: argument(2, .f32) { Precision(rawValue: $0) },
            workers: argument(3, ProcessInfo.processInfo.activeProcessorCount) { Int($0) },
            batch: argument(4, min(10, backbone.framesAtOnce)) { Int($0) }, seconds: argument(5, 5) { Double($0) },
            isTuned: argument(6, true) { $0 != "untuned" }, model: model))
} else {
    print("usage: Benchmarks BACKBONE [PRECISION [WORKERS [BATCH [SECONDS [untuned]]]]]")
    exit(2)
}
