import Datasets
import Foundation
import Inference
import NeuralNetwork
import ONNX
import PipelineFile
import SequenceModels
import Tokenizers
import Video

/// A reader of untrusted files, and its contract for damaged ones: it reads them, or throws one of its
/// errors with a message. It must never crash, hang, or access files outside its folder.
package enum FuzzTarget: String, CaseIterable, Sendable {
    case safetensors, pickle, hdf5, onnx, yaml, splits, video, tokenizer
    /// ONNX files with changed fields instead of changed bytes.
    case message
    /// A value in a column of a cache; a key or a file of a run's folder.
    case cache, run

    package var makesItsFiles: Bool { self == .cache || self == .run }

    var ending: String {
        switch self {
        case .yaml: ".yaml"
        case .onnx, .message: ".onnx"
        case .video: ".mp4"
        case .cache: ".sqlite"
        default: ".bin"
        }
    }

    /// A valid file, damaged.
    func damage(_ whole: [UInt8], others: [[UInt8]], _ mutator: inout Mutator) -> [UInt8] {
        let isMessage = self == .message || self == .tokenizer && mutator.next() % 2 == 0
        return isMessage
            ? mutator.mutate(message: whole, others: others, words: words)
            : mutator.mutate(whole, others: others, words: words)
    }

    package struct Violation: Error, CustomStringConvertible { package let description: String }

    /// Text that is meaningful in such a file.
    package var words: [String] {
        switch self {
        case .safetensors:
            [
                "{", "}", "[", "]", "\"", ",", "\"dtype\":\"F32\"", "\"shape\":[", "1e999", "-1",
                "18446744073709551615", "\\u0000",
            ]
        case .yaml:
            [
                "[", "{", "]", "}", "- ", ": ", "&a ", "*a ", "!!binary ", "|\n", "---\n", "\t", "\"", "'", "~",
                "1e999", "-1", "0x7fffffffffffffff", "<<: *a\n", "../", "\n", "  ", "extract:\n", "sampling: ", "?",
                "9999999999999999999",
            ]
        case .splits:
            [
                "..", "/", "../", ",", "\"", "\r\n", "\n", "\0", " 1", ".avi", "\u{FEFF}", "é", "train", "path,label\n",
                "|", ";", "[", "]", "{", "}", "null", "true", "0.0", "c001 1 2", "none",
            ]
        case .tokenizer:
            [
                "▁", "</w>", "<0x41>", "a b\n", " ", "\u{0}", "é", "{\"model\":{\"merges\":[\"a b\"]}}",
                "#version: 0.2\n", "\n",
            ]
        case .onnx, .message:
            [
                "Relu", "Conv", "Reshape", "Concat", "Slice", "Gather", "Split", "Expand", "MatMul", "Softmax",
                "Transpose", "BatchNormalization", "ReduceMean", "Constant", "ConstantOfShape", "input", "output",
                "axes", "perm", "../x",
            ]
        default: []
        }
    }

    /// Reads the file. `folder`: an otherwise empty folder for other files. Throws `Violation`.
    package func run(_ path: String, in folder: String) throws {
        do {
            switch self {
            case .safetensors: try readAll(SafeTensorsFile(path: path))
            case .pickle: try readAll(openCheckpoint(path: path))
            case .hdf5:
                let file = try KerasFile(path: path)
                for variable in file.layers.values.joined() {
                    let values = try file.values(of: variable)
                    if values.count != variable.shape.reduce(1, *) { throw Violation(description: "lost numbers") }
                }
            case .onnx, .message: try readModel(path)
            case .tokenizer: try readVocabulary(path)
            case .cache, .run: break
            case .yaml: _ = try Pipeline(file: path)
            case .splits: try readLists(path, folder)
            case .video: try readVideo(path)
            }
        } catch let error as Violation {
            throw error
        } catch { if let problem = Self.problem(of: error) { throw Violation(description: problem) } }
    }

    /// The defect of an error: it must have a message in this program's own words.
    static func problem(of error: any Error) -> String? {
        guard let known = error as? any LocalizedError else { return "an error that nobody translated: \(error)" }
        let text = known.errorDescription ?? ""
        if text.count < 10 { return "an error without words: \(error)" }
        return nil
    }

    private func readVocabulary(_ path: String) throws {
        let texts = [
            "", "a photo of a person riding a horse", "don't é 犬 \u{1F600} 123", String(repeating: "ab", count: 300),
        ]
        var refusal: (any Error)?
        func read(_ open: () throws -> any Tokenizer) throws {
            do {
                let tokenizer = try open()
                for text in texts {
                    let tokens = tokenizer.encode(text, limit: 64)
                    _ = tokenizer.isTooLong(text, limit: 64)
                    if tokens.count > 64 || tokens.contains(where: { $0 < 0 || $0 >= tokenizer.vocabularySize }) {
                        throw Violation(description: "\(tokens.count) tokens up to \(tokens.max() ?? 0)")
                    }
                }
            } catch let error as Violation { throw error } catch { refusal = error }
        }
        try read { try BytePairTokenizer(file: path) }
        try read { try SigLIPTokenizer(file: path) }
        let json = path + ".json"
        try? FileManager.default.removeItem(atPath: json)
        try FileManager.default.copyItem(atPath: path, toPath: json)
        try read { try BytePairTokenizer(file: json) }
        if let refusal { throw refusal }
    }

    private func readAll(_ file: some Checkpoint) throws {
        for (name, shape) in file.shapes.sorted(by: { $0.key < $1.key }).prefix(200) {
            guard shape.reduce(1.0, { $0 * Double($1) }) < 1e7, let tensor = try file.tensor(named: name) else {
                continue
            }
            if tensor.values.count != shape.reduce(1, *) { throw Violation(description: "\(name) lost numbers") }
        }
    }

    /// Reads the graph, and runs it if it is small and computable.
    private func readModel(_ path: String) throws {
        let network = try ImportedNetwork(path: path)
        try readAll(network)
        var refusal: (any Error)?
        for output in network.outputs {
            let graph = try network.graph(imageSize: 32)
            do { try network.check(output: output, imageSize: 32) } catch {
                refusal = error
                continue
            }
            let largest = graph.nodes.map(\.shape.size).max() ?? 0
            guard network.imageSize ?? 32 == 32, graph.multiplyAdds < 50_000_000, largest < 1_000_000 else { continue }
            let plan = try InferencePlan(graph: graph, output: output, batch: 1, weights: PackedWeights(network))
            let normalization = PixelNormalization(mean: [0, 0, 0], standardDeviation: [1, 1, 1])
            let features = try plan.run(
                pixels: [UInt8](repeating: 99, count: 32 * 32 * 3), normalization: normalization)
            let expected = try graph.featureShape(of: output).reduce(1, *)
            if features.values.count != expected { throw Violation(description: "\(features.values.count) features") }
        }
        if let refusal { throw refusal }
    }

    private func readLists(_ path: String, _ folder: String) throws {
        let (clips, lists) = (folder + "/clips", folder + "/lists")
        let manager = FileManager.default
        try? manager.createDirectory(atPath: clips + "/run", withIntermediateDirectories: true)
        try? manager.createDirectory(atPath: lists, withIntermediateDirectories: true)
        _ = manager.createFile(atPath: clips + "/run/a.avi", contents: nil)
        let layouts: [(DatasetConfiguration.Layout, DatasetConfiguration.Task, [String])] = [
            (.csv, .classification, ["train.csv"]), (.csv, .multilabel, ["train.csv"]),
            (.ucf101, .classification, ["trainlist01.txt", "testlist01.txt"]),
            (.hmdb51, .classification, ["run_test_split1.txt"]),
        ]
        var refusal: (any Error)?
        for (layout, task, names) in layouts {
            for name in names {
                try? manager.removeItem(atPath: lists + "/" + name)
                try manager.copyItem(atPath: path, toPath: lists + "/" + name)
            }
            do {
                let dataset = DatasetConfiguration(layout: layout, root: clips, splits: lists, task: task)
                for clip in try dataset.clips() {
                    if task == .multilabel, LabelSet.names(clip.label) == nil {
                        throw Violation(description: "\(clip.label) is not a set of labels")
                    }
                    let full = URL(fileURLWithPath: clips + "/" + clip.path).standardizedFileURL.path
                    if !full.hasPrefix(URL(fileURLWithPath: clips).standardizedFileURL.path + "/") {
                        throw Violation(description: "\(clip.path) leads out of the folder")
                    }
                }
            } catch let error as Violation { throw error } catch { refusal = error }
            for name in names { try? manager.removeItem(atPath: lists + "/" + name) }
        }
        if let refusal { throw refusal }
    }

    private func readVideo(_ path: String) throws {
        var limits = DecodingLimits()
        (limits.seconds, limits.secondsPerFrame, limits.pixels) = (10, 0, 4096 * 4096)
        let clip = try openClip(path: path, limits: limits)
        let information = clip.information
        if (information.frameTimes + information.clock).contains(where: { !$0.isFinite }) {
            throw Violation(description: "times are not finite")
        }
        if zip(information.clock, information.clock.dropFirst()).contains(where: { $0 > $1 }) {
            throw Violation(description: "the clock steps back")
        }
        let windows = WindowSampling(length: 8, stride: 4, framesPerSecond: 15, windows: Sampling.unlimited)
        var refusal: (any Error)?
        for sampling in [
            Sampling.uniform(frames: 8), .rate(framesPerSecond: 30, frames: 64), .windows(windows),
        ] {
            let request = SampleRequest(
                sampling, framing: .centerSquare(size: 32, filter: .antialias), aspect: .display)
            do {
                for frame in try clip.sample([request])[0].frames
                where frame.pixels.count != 32 * 32 * 3 || frame.index >= clip.information.frameCount {
                    throw Violation(description: "frame \(frame.index) has \(frame.pixels.count) bytes")
                }
            } catch let error as Violation { throw error } catch { refusal = error }
        }
        if let refusal { throw refusal }
    }
}
