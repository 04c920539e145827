import Escaping
import Files
import Foundation
import NeuralNetwork

/// The weights of a `keras.applications` network, with torchvision's names and shapes. Kernels `[height, width, in,
/// out]` become `[out, in, height, width]`, depthwise ones `[height, width, channels, 1]` become `[channels, 1, height,
/// width]`.
package struct KerasWeights: Checkpoint {
    package var path: String { file.path }
    package let format = "Keras (HDF5)"
    package let shapes: [String: [Int]]
    /// The input normalisation of networks that contain it (EfficientNet).
    package let inputConvention: InputConvention?

    /// Layers with variables that the network does not use.
    let unused: [String]

    private let file: KerasFile
    private let variables: [String: KerasFile.Variable]

    /// - Throws: `WeightsError`, also for unknown networks.
    package init(path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        let file = try KerasFile(path: path)
        guard let modules = KerasNames.modules(of: Array(file.layers.keys)),
            KerasNames.unknown(in: Array(file.layers.keys), modules).isEmpty
        else {
            throw malformed(
                "its layers are not those of InceptionV3, EfficientNet, EfficientNetV2 or VGG16 of keras.applications")
        }
        var variables: [String: KerasFile.Variable] = [:]
        for (layer, module) in modules {
            let groups = Set((file.layers[layer] ?? []).map { OutputPath.parent(of: $0.dataset) })
            guard groups.count <= 1 else {
                throw malformed(
                    "it holds several models that each have a layer \(layer): save only the one to use, "
                        + "model.get_layer(NAME).save_weights(\"x.weights.h5\")")
            }
            for (leaf, variable) in Self.roles(of: file.layers[layer] ?? []) {
                variables["\(module).\(leaf)"] = variable
            }
        }
        (self.file, self.variables) = (file, variables)
        unused = file.layers.keys.filter {
            modules[$0] == nil && !$0.hasBytePrefix("normalization") && !$0.hasBytePrefix("optimizer")
        }.sorted()
        shapes = variables.mapValues { Self.order($0.shape).map(\.length) }
        inputConvention = try Self.convention(file)
    }

    package func tensor(named name: String) throws -> Tensor? {
        guard let variable = variables[name] else { return nil }
        let values = try file.values(of: variable)
        let axes = Self.order(variable.shape)
        let shape = axes.map(\.length)
        if axes.count < 2 { return Tensor(shape: shape, values: values) }
        var result = [Float](repeating: 0, count: values.count)
        var position = [Int](repeating: 0, count: axes.count)
        for index in result.indices {
            var source = 0
            for axis in axes.indices { source += position[axis] * axes[axis].stride }
            result[index] = values[source]
            for axis in axes.indices.reversed() {
                position[axis] += 1
                if position[axis] < axes[axis].length { break }
                position[axis] = 0
            }
        }
        return Tensor(shape: shape, values: result)
    }

    /// torchvision's axes of a Keras tensor: length, and stride in Keras' layout.
    private static func order(_ shape: [Int]) -> [(length: Int, stride: Int)] {
        let axes = shape.indices.map { (length: shape[$0], stride: shape[($0 + 1)...].reduce(1, *)) }
        switch shape.count {
        case 4 where shape[3] == 1 && shape[2] > 1: return [2, 3, 0, 1].map { axes[$0] }
        case 4: return [3, 2, 0, 1].map { axes[$0] }
        case 2: return [1, 0].map { axes[$0] }
        default: return axes
        }
    }

    /// torchvision's names of a layer's variables.
    private static func roles(of variables: [KerasFile.Variable]) -> [(leaf: String, variable: KerasFile.Variable)] {
        let names = [
            "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
        ]
        if variables.contains(where: { $0.shape.count > 1 }) {
            return variables.map { ($0.shape.count > 1 ? "weight" : "bias", $0) }
        }
        if variables.allSatisfy({ names[$0.name] != nil }) { return variables.map { (names[$0.name] ?? "", $0) } }
        // Keras 3 numbers the variables: gamma if present, beta, mean, variance.
        let leaves = ["weight", "bias", "running_mean", "running_var"].suffix(variables.count)
        let numbered = variables.sorted { (Int($0.name) ?? 0) < (Int($1.name) ?? 0) }
        return Array(zip(leaves, numbered)).map { ($0.0, $0.1) }
    }

    /// EfficientNet normalises inside the network. The published files hold the standard deviation in place of the
    /// variance, and the published network divides by its square root a second time, so that it divides by the standard
    /// deviation in total.
    private static func convention(_ file: KerasFile) throws -> InputConvention? {
        let layer = file.layers.first { $0.key == "normalization" || $0.key.hasBytePrefix("normalization_") }
        guard let variables = layer?.value.filter({ $0.shape == [3] }).sorted(by: { $0.name < $1.name }),
            variables.count == 2
        else { return nil }
        // `mean` comes before `variance`, and 0 before 1.
        let (mean, variance) = (try file.values(of: variables[0]), try file.values(of: variables[1]))
        let isPublished = zip(variance, InputConvention.imageNet.standardDeviation).allSatisfy { abs($0 - $1) < 1e-3 }
        return InputConvention(mean: mean, standardDeviation: isPublished ? variance : variance.map { $0.squareRoot() })
    }
}

enum KerasNames {
    /// Layer → module for the layers of a known network; nil for others.
    static func modules(of layers: [String]) -> [String: String]? {
        if layers.contains("block1a_dwconv") { return efficientNet(layers) }
        if layers.contains("block1a_project_conv") { return efficientNetV2(layers) }
        if layers.contains("block1_conv1") { return vgg16(layers) }
        let convolutions = numbered(layers, "conv2d")
        let normalizations = numbered(layers, "batch_normalization")
        let names = inceptionV3
        guard convolutions.count == names.count, normalizations.count == names.count else { return nil }
        var result = Dictionary(uniqueKeysWithValues: zip(convolutions, names.map { $0 + ".conv" }))
        result.merge(zip(normalizations, names.map { $0 + ".bn" })) { first, _ in first }
        if layers.contains("predictions") { result["predictions"] = "fc" }
        return result
    }

    /// Layers that the network lacks and that differ from its layers only in their numbers: a deeper variant's (VGG19).
    static func unknown(in layers: [String], _ modules: [String: String]) -> [String] {
        func form(_ layer: String) -> String { layer.replacing(/\d+[a-z]?/, with: "#") }
        let forms = Set(modules.keys.map(form))
        return layers.filter { modules[$0] == nil && $0.contains(where: \.isNumber) && forms.contains(form($0)) }
    }

    private static func efficientNetV2(_ layers: [String]) -> [String: String] {
        var result = [
            "stem_conv": "conv_stem", "stem_bn": "bn1", "top_conv": "conv_head", "top_bn": "bn2",
            "predictions": "classifier",
        ]
        let known = Set(layers)
        for layer in layers {
            guard let match = layer.wholeMatch(of: /(block(\d)([a-z]))_(.+)/), let stage = Int(match.2),
                let letter = match.3.first?.asciiValue
            else { continue }
            let parts =
                if known.contains("\(match.1)_dwconv2") {
                    [
                        "expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv2": "conv_dw", "bn": "bn2",
                        "se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand", "project_conv": "conv_pwl",
                        "project_bn": "bn3",
                    ]
                } else if known.contains("\(match.1)_expand_conv") {
                    ["expand_conv": "conv_exp", "expand_bn": "bn1", "project_conv": "conv_pwl", "project_bn": "bn2"]
                } else { ["project_conv": "conv", "project_bn": "bn1"] }
            guard let part = parts[String(match.4)] else { continue }
            result[layer] = "blocks.\(stage - 1).\(letter - UInt8(ascii: "a")).\(part)"
        }
        return result.filter { known.contains($0.key) }
    }

    /// `conv2d`, `conv2d_1`, … in order of creation; the first number is arbitrary.
    private static func numbered(_ layers: [String], _ kind: String) -> [String] {
        layers.compactMap { layer -> (String, Int)? in
            if layer == kind { return (layer, 0) }
            guard let number = layer.droppingBytePrefix(kind + "_").flatMap({ Int($0) }) else { return nil }
            return (layer, number)
        }.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// Convolutions in the order in which both implementations create them: the graph's order.
    private static let inceptionV3: [String] = InceptionV3(.keras).graph(imageSize: 299).parameters.map(\.name)
        .filter { $0.hasSuffix(".conv.weight") }.map { String($0.dropLast(".conv.weight".count)) }

    private static func vgg16(_ layers: [String]) -> [String: String] {
        let names = [
            "block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2", "block3_conv1", "block3_conv2",
            "block3_conv3", "block4_conv1", "block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2",
            "block5_conv3",
        ]
        let modules = VGG16().graph(imageSize: 32).parameters.map(\.name).filter { $0.hasSuffix(".weight") }
            .map { String($0.dropLast(".weight".count)) }
        return Dictionary(uniqueKeysWithValues: zip(names, modules)).filter { layers.contains($0.key) }
    }

    private static func efficientNet(_ layers: [String]) -> [String: String] {
        var result = [
            "stem_conv": "features.0.0", "stem_bn": "features.0.1", "top_conv": "features.8.0",
            "top_bn": "features.8.1", "predictions": "classifier.1",
        ]
        for layer in layers {
            guard let match = layer.wholeMatch(of: /block(\d)([a-z])_(.+)/), let stage = Int(match.1),
                let letter = match.2.first?.asciiValue
            else { continue }
            // Blocks of the first stage have no expansion, so their parts are counted from the depthwise convolution.
            let first = stage == 1 ? 0 : 1
            let parts = [
                "expand_conv": "0.0", "expand_bn": "0.1", "dwconv": "\(first).0", "bn": "\(first).1",
                "se_reduce": "\(first + 1).fc1", "se_expand": "\(first + 1).fc2", "project_conv": "\(first + 2).0",
                "project_bn": "\(first + 2).1",
            ]
            guard let part = parts[String(match.3)] else { continue }
            result[layer] = "features.\(stage).\(letter - UInt8(ascii: "a")).block.\(part)"
        }
        return result.filter { layers.contains($0.key) }
    }
}
