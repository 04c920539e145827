import NeuralNetwork

/// Tensor names of torchvision, Meta and others for ConvNeXt and for networks related to EfficientNet.
extension RenamedWeights {
    static var convolutionalSchemes: [Scheme] {
        [
            // timm's `tf_efficientnet` files have the same names but need Keras' implementation.
            Scheme("timm", "conv_stem.weight", [.timm, .keras], names: .timm, timmEfficientNet),
            Scheme("torchvision", "features.1.0.layer_scale", [.torchvision], torchvisionConvNeXt),
            Scheme("Meta", "downsample_layers.0.0.weight", [.timm, .torchvision], metaConvNeXt),
            Scheme("torchvision", "features.1.0.block.0.0.weight", [.torchvision], torchvisionEfficientNetV2),
            Scheme("torchvision", "features.1.block.0.0.weight", [.torchvision], torchvisionMobileNetV3),
            Scheme("efficientnet_pytorch", "_conv_stem.weight", [.keras, .timm], input: .symmetric, lukemelas),
            Scheme("OpenMMLab", "conv1.conv.weight", [.torchvision], openMMLabResNet),
            Scheme("torch.nn.Sequential", "4.0.conv1.weight", [.torchvision], sequentialResNet),
        ]
    }

    /// EfficientNet B0 to B7, whose graphs have torchvision's names. timm's ResNet, InceptionV3 and VGG16 have
    /// torchvision's names already; the graphs of all later networks use timm's.
    private static func timmEfficientNet(_ found: [String: [Int]]) -> [String: Source]? {
        // Related networks without squeeze-and-excitation in the first block use timm's names in the graph.
        guard found["conv_stem.weight"] != nil, found["blocks.0.0.se.conv_reduce.weight"] != nil else { return nil }
        return renamed(found, torchvisionName(ofTimm:))
    }

    static func torchvisionName(ofTimm name: String) -> String? {
        let ends = [
            "conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.8.0", "bn2": "features.8.1",
            "classifier": "classifier.1",
        ]
        let (module, leaf) = split(name)
        if let end = ends[module] { return "\(end).\(leaf)" }
        guard let match = module.wholeMatch(of: /blocks\.(\d+)\.(\d+)\.(.+)/), let stage = Int(match.1),
            let part = (stage == 0 ? unexpanded : inverted).first(where: { $0.value == match.3 })?.key
        else { return nil }
        return "features.\(stage + 1).\(match.2).block.\(part).\(leaf)"
    }

    /// The first stage's blocks have no expansion.
    private static let unexpanded = [
        "0.0": "conv_dw", "0.1": "bn1", "1.fc1": "se.conv_reduce", "1.fc2": "se.conv_expand", "2.0": "conv_pw",
        "2.1": "bn2",
    ]

    private static func torchvisionConvNeXt(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["features.1.0.layer_scale"] != nil, found["features.0.1.weight"] != nil else { return nil }
        let parts = ["block.0": "conv_dw", "block.2": "norm", "block.3": "mlp.fc1", "block.5": "mlp.fc2"]
        var result: [String: Source] = [:]
        for (name, shape) in found {
            let (module, leaf) = split(name)
            if let match = name.wholeMatch(of: /features\.(\d)\.(\d+)\.layer_scale/), let place = Int(match.1),
                !shape.isEmpty
            {
                result["stages.\((place - 1) / 2).blocks.\(match.2).gamma"] = .reshaped(name, [shape[0]])
            } else if let match = module.wholeMatch(of: /features\.(\d)\.(\d+)\.(block\.\d)/), let place = Int(match.1),
                let part = parts[String(match.3)]
            {
                result["stages.\((place - 1) / 2).blocks.\(match.2).\(part).\(leaf)"] = .tensor(name)
            } else if let match = module.wholeMatch(of: /features\.(\d)\.(\d)/), let place = Int(match.1) {
                let stage = place == 0 ? "stem" : "stages.\(place / 2).downsample"
                result["\(stage).\(match.2).\(leaf)"] = .tensor(name)
            } else if let head = ["classifier.0": "head.norm", "classifier.2": "head.fc"][module] {
                result["\(head).\(leaf)"] = .tensor(name)
            }
        }
        return result
    }

    private static func metaConvNeXt(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["downsample_layers.0.0.weight"] != nil else { return nil }
        var result: [String: Source] = [:]
        for (name, shape) in found {
            var own = name.replacing("downsample_layers.0.", with: "stem.")
                .replacing(/^downsample_layers\.(\d)\./) { "stages.\($0.1).downsample." }
                .replacing(/^stages\.(\d)\.(\d+)\./) { "stages.\($0.1).blocks.\($0.2)." }
                .replacing("dwconv", with: "conv_dw").replacing("pwconv", with: "mlp.fc")
                .replacing("grn.beta", with: "mlp.grn.bias").replacing("grn.gamma", with: "mlp.grn.weight")
            if own.hasPrefix("head.") { own = "head.fc." + own.dropFirst(5) }
            if own.hasPrefix("norm.") { own = "head." + own }
            result[own] = own.contains(".grn.") ? .reshaped(name, [shape.reduce(1, *)]) : .tensor(name)
        }
        return result
    }

    private static func torchvisionEfficientNetV2(_ found: [String: [Int]]) -> [String: Source]? {
        guard let first = found["features.1.0.block.0.0.weight"], first.count == 4, first[1] > 1,
            let last = (2...9).first(where: { found["features.\($0).0.weight"] != nil })
        else { return nil }
        let ends = [
            "features.0.0": "conv_stem", "features.0.1": "bn1", "features.\(last).0": "conv_head",
            "features.\(last).1": "bn2", "classifier.1": "classifier",
        ]
        let single = ["0.0": "conv", "0.1": "bn1"]
        let fused = ["0.0": "conv_exp", "0.1": "bn1", "1.0": "conv_pwl", "1.1": "bn2"]
        return renamed(found) { name in
            let (module, leaf) = split(name)
            if let end = ends[module] { return "\(end).\(leaf)" }
            guard let match = module.wholeMatch(of: /features\.(\d)\.(\d+)\.block\.(.+)/), let stage = Int(match.1)
            else { return nil }
            let parts = stage == 1 ? single : stage < 4 ? fused : inverted
            return parts[String(match.3)].map { "blocks.\(stage - 1).\(match.2).\($0).\(leaf)" }
        }
    }

    private static let inverted = [
        "0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2.fc1": "se.conv_reduce",
        "2.fc2": "se.conv_expand", "3.0": "conv_pwl", "3.1": "bn3",
    ]

    private static func torchvisionMobileNetV3(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["features.1.block.0.0.weight"] != nil, found["features.16.0.weight"] != nil else { return nil }
        let ends = [
            "features.0.0": "conv_stem", "features.0.1": "bn1", "features.16.0": "blocks.6.0.conv",
            "features.16.1": "blocks.6.0.bn1", "classifier.0": "conv_head", "classifier.3": "classifier",
        ]
        // The stage and block of each of the fifteen blocks.
        let places = [1, 2, 3, 4, 2, 3].enumerated().flatMap { stage, count in (0..<count).map { (stage, $0) } }
        let separable = ["0.0": "conv_dw", "0.1": "bn1", "1.0": "conv_pw", "1.1": "bn2"]
        let plain = inverted.merging(["2.0": "conv_pwl", "2.1": "bn3"]) { first, _ in first }
        var result = renamed(found) { name in
            let (module, leaf) = split(name)
            if let end = ends[module] { return "\(end).\(leaf)" }
            guard let match = module.wholeMatch(of: /features\.(\d+)\.block\.(.+)/), let number = Int(match.1),
                (1...places.count).contains(number)
            else { return nil }
            let (stage, block) = places[number - 1]
            return (number == 1 ? separable : plain)[String(match.2)].map { "blocks.\(stage).\(block).\($0).\(leaf)" }
        }
        if let shape = found["classifier.0.weight"], shape.count == 2 {
            result["conv_head.weight"] = .reshaped("classifier.0.weight", shape + [1, 1])
        }
        return result
    }

    /// L. Melas-Kyriazi's port of TensorFlow's networks, as in the PyPI package of EfficientNet-Lite0.
    private static func lukemelas(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["_conv_stem.weight"] != nil, found["_blocks.0._depthwise_conv.weight"] != nil else { return nil }
        let ends = [
            "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
        ]
        let separable = ["_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"]
        let inverted = [
            "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
            "_project_conv": "conv_pwl", "_bn2": "bn3", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand",
        ]
        guard let places = stages(found) else { return nil }
        return renamed(found) { name in
            let (module, leaf) = split(name)
            if let end = ends[module] { return "\(end).\(leaf)" }
            guard let match = module.wholeMatch(of: /_blocks\.(\d+)\.(.+)/), let number = Int(match.1),
                number < places.count
            else { return nil }
            let parts = places[number].stage == 0 ? separable : inverted
            let (stage, block) = places[number]
            return parts[String(match.2)].map { "blocks.\(stage).\(block).\($0).\(leaf)" }
        }
    }

    /// The stage of each block, from the network with the same blocks and channels.
    private static func stages(_ found: [String: [Int]]) -> [(stage: Int, block: Int)]? {
        let channels = (0..<1000).lazy.map { found["_blocks.\($0)._project_conv.weight"]?.first }
            .prefix { $0 != nil }.compactMap { $0 }
        for size in EfficientNetLite.Size.allCases {
            let graph = EfficientNetLite(size, .keras).graph(imageSize: 32)
            var places: [(stage: Int, block: Int)] = []
            var own: [Int] = []
            for parameter in graph.parameters {
                guard let match = parameter.name.wholeMatch(of: /blocks\.(\d+)\.(\d+)\.conv_pwl?\.weight/),
                    let stage = Int(match.1), let block = Int(match.2)
                else { continue }
                if let last = places.last, last == (stage, block) {
                    own[own.count - 1] = parameter.shape[0]
                } else {
                    places.append((stage, block))
                    own.append(parameter.shape[0])
                }
            }
            if own == Array(channels) { return places }
        }
        return nil
    }

    /// mmaction2's ResNet, whose convolutions and normalisations are in mmcv's `ConvModule`.
    private static func openMMLabResNet(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["conv1.conv.weight"] != nil, found["layer1.0.conv1.conv.weight"] != nil else { return nil }
        return renamed(found) { name in
            name.replacing(/(^|\.)conv(\d)\.conv\./) { "\($0.1)conv\($0.2)." }
                .replacing(/(^|\.)conv(\d)\.bn\./) { "\($0.1)bn\($0.2)." }
                .replacing("downsample.conv.", with: "downsample.0.").replacing("downsample.bn.", with: "downsample.1.")
        }
    }

    /// `nn.Sequential(*resnet.children())`, as in scripts for self-supervised learning: modules are numbered.
    private static func sequentialResNet(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["0.weight"]?.count == 4, found["1.running_mean"] != nil, found["4.0.conv1.weight"] != nil,
            found["7.0.conv1.weight"] != nil
        else { return nil }
        let modules = ["0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "9": "fc"]
        return renamed(found) { name in
            let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2, let module = modules[parts[0]] else { return nil }
            return module + "." + parts[1]
        }
    }

    static func split(_ name: String) -> (module: String, leaf: String) {
        guard let dot = name.lastIndex(of: ".") else { return ("", name) }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }
}
