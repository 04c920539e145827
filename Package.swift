// swift-tools-version: 6.0
import PackageDescription

// `make docs` alone asks for the plugin that makes the reference.
let plugins: [Package.Dependency] =
    Context.environment["ZOETROPE_DOCS"] == nil
    ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0")]

let package = Package(
    name: "zoetrope",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "zoetrope", targets: ["zoetrope"])],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ] + plugins,
    targets: [
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [
                .apt(["libavformat-dev", "libavcodec-dev", "libavfilter-dev", "libavutil-dev", "libswscale-dev"]),
                .brew(["ffmpeg"]),
            ]),
        .systemLibrary(
            name: "CLibzip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"]), .brew(["libzip"])]),
        .systemLibrary(
            name: "CLibHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"]), .brew(["hdf5"])]),
        .systemLibrary(
            name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .target(name: "Escaping"),
        .target(name: "Files"),
        .target(name: "Threads"),
        .target(name: "CHDF5", dependencies: ["CLibHDF5"]),
        .target(name: "Digests", dependencies: ["CLibcrypto", "Files"]),
        // The Makefile links another oneDNN by its path: the system's folders come first where a name is looked up.
        .target(
            name: "COneDNN",
            linkerSettings: (Context.environment["ONEDNN"] ?? "").isEmpty ? [.linkedLibrary("dnnl")] : []),
        // Loops over numbers are slow enough without the optimiser to be most of the tests.
        .target(name: "CElementwise", cSettings: [.unsafeFlags(["-O2"], .when(configuration: .debug))]),
        .target(
            name: "NeuralNetwork",
            dependencies: ["CElementwise", "CLibzip", "CHDF5", "Digests", "Escaping", "Files"]),
        .target(name: "Inference", dependencies: ["NeuralNetwork", "COneDNN", "CElementwise", "Threads"]),
        .target(
            name: "Training",
            dependencies: ["NeuralNetwork", "Inference", "COneDNN", "CElementwise", "Files", "Threads"]),
        .target(name: "ONNXMessages"),
        .target(
            name: "ONNX",
            dependencies: ["Inference", "NeuralNetwork", "ONNXMessages", "Escaping", "Files", "Threads"]),
        .target(name: "CONNXRuntime", exclude: ["README.md"]),
        .target(name: "ONNXRuntime", dependencies: ["CONNXRuntime"]),
        .target(name: "Tokenizers", dependencies: ["ONNXMessages", "Escaping", "Files"]),
        .target(
            name: "Backbones",
            dependencies: ["NeuralNetwork", "ONNX", "ONNXMessages", "Digests", "Escaping", "Files"],
            resources: [.embedInCode("Tables")]),
        .target(name: "Video", dependencies: ["CFFmpeg", "CElementwise", "Escaping", "Files"]),
        .target(name: "Datasets", dependencies: ["Video", "Escaping", "Files"]),
        .target(name: "CSQLiteGuard", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "FeatureCache",
            dependencies: [
                "CElementwise", "CSQLiteGuard", "CLibzip", "NeuralNetwork", "Datasets", "Digests", "Escaping", "Files",
                "Threads",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .target(
            name: "Extraction",
            dependencies: [
                "Inference", "NeuralNetwork", "ONNX", "ONNXRuntime", "Backbones", "Datasets", "Video", "FeatureCache",
                "Digests", "Escaping", "Files", "Threads",
            ]),
        .target(
            name: "SequenceModels",
            dependencies: [
                "Training", "NeuralNetwork", "Datasets", "FeatureCache", "Digests", "Escaping", "Files", "Threads",
            ]),
        .target(
            name: "FineTuning",
            dependencies: [
                "Inference", "Training", "NeuralNetwork", "Backbones", "Datasets", "Video", "FeatureCache",
                "Extraction", "SequenceModels", "Escaping", "Files", "Threads",
            ]),
        .target(
            name: "Reports",
            dependencies: [
                "NeuralNetwork", "Datasets", "Digests", "Escaping", "Files", "Video", "FeatureCache", "Extraction",
                "SequenceModels", "Threads",
                .product(name: "Mustache", package: "swift-mustache"),
            ],
            resources: [.embedInCode("Templates")]),
        .target(
            name: "Exploration",
            dependencies: [
                "CElementwise", "Inference", "NeuralNetwork", "Backbones", "Datasets", "Video", "FeatureCache",
                "Extraction", "SequenceModels", "Escaping", "Files", "Threads",
            ]),
        .target(
            name: "Language",
            dependencies: [
                "Escaping", "Files", "Threads", "Training", "NeuralNetwork", "Backbones", "Tokenizers", "FeatureCache",
                "Extraction", "SequenceModels",
            ]),
        .target(
            name: "PipelineFile",
            dependencies: [
                "Inference", "Training", "NeuralNetwork", "ONNX", "Backbones", "Datasets", "Video", "FeatureCache",
                "Extraction", "SequenceModels", "FineTuning", "Escaping", "Files",
                .product(name: "Yams", package: "Yams"),
            ]),
        .target(
            name: "Workflows",
            dependencies: [
                "Inference", "Training", "NeuralNetwork", "ONNX", "Backbones", "Datasets", "Video", "FeatureCache",
                "Extraction", "SequenceModels", "FineTuning", "Language", "Reports", "Exploration", "PipelineFile",
                "Escaping", "Files", "Threads",
            ]),
        .executableTarget(
            name: "zoetrope",
            dependencies: [
                "Inference", "NeuralNetwork", "ONNX", "Backbones", "Datasets", "Video", "FeatureCache", "Extraction",
                "SequenceModels", "FineTuning", "Language", "Reports", "Exploration", "PipelineFile", "Workflows",
                "Escaping", "Files", "Threads",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Inference", "Training", "NeuralNetwork", "ONNX", "Backbones", "Tokenizers", "Datasets", "FeatureCache",
                "Extraction", "SequenceModels", "Language", "Exploration",
            ],
            path: "Tests/Benchmarks",
            exclude: [
                "bench.py", "device.py", "growth.py", "heads.py", "labels.py", "models.py", "peers.py", "training.py",
                "windows.py",
                "RESULTS.md",
            ]),
        .target(name: "CThreadSanitizer", path: "Tests/CThreadSanitizer"),
        .target(
            name: "TestSupport", dependencies: ["NeuralNetwork", "Training", "Datasets", "CThreadSanitizer"],
            path: "Tests/TestSupport"),
        .target(
            name: "Fuzzing",
            dependencies: [
                "Inference", "NeuralNetwork", "ONNX", "Backbones", "Datasets", "Video", "FeatureCache", "Extraction",
                "SequenceModels", "Exploration", "Tokenizers", "Language", "Reports", "PipelineFile", "Workflows",
                "Digests", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Tests/Fuzzing", exclude: ["Seeds"]),
        .executableTarget(name: "Fuzz", dependencies: ["Fuzzing"], path: "Tests/Fuzz"),
        .testTarget(
            name: "NeuralNetworkTests", dependencies: ["NeuralNetwork", "TestSupport"], resources: [.copy("Fixtures")]),
        .testTarget(
            name: "InferenceTests",
            dependencies: ["Inference", "Training", "NeuralNetwork", "CElementwise", "TestSupport"]),
        .testTarget(
            name: "TrainingTests", dependencies: ["Training", "Inference", "NeuralNetwork", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ONNXTests", dependencies: ["Inference", "ONNX", "ONNXMessages", "NeuralNetwork", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "EscapingTests", dependencies: ["Escaping"]),
        .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"]),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads", "TestSupport"]),
        .testTarget(name: "DigestsTests", dependencies: ["Digests", "TestSupport"]),
        .testTarget(
            name: "DatasetsTests", dependencies: ["Datasets", "Video", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ExplorationTests",
            dependencies: [
                "Exploration", "Datasets", "FeatureCache", "SequenceModels", "Video", "Digests", "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "FeatureCacheTests", dependencies: ["FeatureCache", "Digests", "NeuralNetwork", "TestSupport"]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "Escaping", "NeuralNetwork", "Inference", "ONNXMessages", "Backbones", "Video", "FeatureCache",
                "Extraction", "zoetrope", "TestSupport", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Yams", package: "Yams"),
            ],
            exclude: ["FakeRuntime.c"]),
        .testTarget(
            name: "LanguageTests",
            dependencies: [
                "Language", "Tokenizers", "Backbones", "NeuralNetwork", "FeatureCache", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "FineTuningTests",
            dependencies: [
                "Training", "NeuralNetwork", "Backbones", "Datasets", "Video", "FeatureCache", "Extraction",
                "SequenceModels", "FineTuning", "TestSupport",
            ]),
        .testTarget(
            name: "ReportsTests",
            dependencies: [
                "Escaping", "NeuralNetwork", "Backbones", "Video", "FeatureCache", "Extraction", "SequenceModels",
                "Reports",
                "TestSupport",
            ]),
        .testTarget(
            name: "ExtractionTests",
            dependencies: [
                "Inference", "NeuralNetwork", "ONNXRuntime", "Backbones", "Datasets", "Video", "FeatureCache",
                "Extraction", "Digests", "Files", "TestSupport",
            ]),
        .target(name: "CKernels", dependencies: ["CONNXRuntime"], path: "Tests/CKernels"),
        .testTarget(
            name: "ONNXRuntimeTests", dependencies: ["CKernels", "NeuralNetwork", "ONNXRuntime", "TestSupport"],
            exclude: ["FakeGPU.c", "Lanes.h"]),
        .testTarget(
            name: "SequenceModelsTests",
            dependencies: [
                "Training", "NeuralNetwork", "Datasets", "FeatureCache", "SequenceModels", "Digests", "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "WorkflowsTests",
            dependencies: [
                "NeuralNetwork", "Training", "Backbones", "Datasets", "Video", "FeatureCache", "Extraction",
                "SequenceModels", "FineTuning", "Exploration", "Language", "Reports", "PipelineFile", "Workflows",
                "Fuzzing",
                "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "VideoTests", dependencies: ["CFFmpeg", "Video", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "BackbonesTests",
            dependencies: [
                "Inference", "Training", "NeuralNetwork", "ONNXMessages", "Backbones", "Digests", "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
    ],
    swiftLanguageModes: [.v6]
)

// A target is compiled again if a module changes that its dependencies name; those of its dependencies are not enough,
// because a module of unchanged interface is not written again if the layout of its types changes. So each target names
// all modules that it is built on (Tests/stale.sh).
let direct = Dictionary(
    uniqueKeysWithValues: package.targets.map { target in
        (target.name, target.dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } })
    })
for target in package.targets {
    var rest = direct[target.name] ?? []
    var known = Set(rest)
    while let name = rest.popLast() {
        for other in direct[name] ?? [] where known.insert(other).inserted {
            rest.append(other)
            target.dependencies.append(.byName(name: other))
        }
    }
}

// Some test targets, with nothing but what they need: instrumented builds take as long as plain ones.
if let wanted = Context.environment["ZOETROPE_TEST_TARGETS"]?.split(separator: " ").map(String.init) {
    var needed = Set(wanted)
    var rest = wanted
    while let name = rest.popLast() {
        for dependency in package.targets.first(where: { $0.name == name })?.dependencies ?? [] {
            if case .byNameItem(let name, _) = dependency, needed.insert(name).inserted { rest.append(name) }
        }
    }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
}
