import NeuralNetwork

/// The origin of a file's tensor names, as far as it leaves the variant of the weights open.
package enum TensorNames: String, Sendable {
    /// Published files with these names are for one implementation and one input normalisation, or state them.
    case settled
    /// The graph's own names: torchvision's or timm's, depending on the backbone.
    case own
    /// timm's EfficientNet, whose graph has torchvision's names.
    case timm
    /// CLIP's names in OpenAI's, open_clip's and transformers' files.
    case clip
}

/// The implementation and input of one kind of published weight files.
struct PublishedVariant: Sendable, Equatable {
    let numerics: Numerics
    let input: InputConvention
    /// Description of the files, for a note.
    let files: String
}

extension Backbone {
    /// All kinds of published files that fit the backbone with the same tensor names; empty if there is only one kind.
    /// Facts from timm 1.0, torchvision 0.29 and open_clip 3; `Tests/Parity/timm_conventions.py` lists timm's.
    func variants(_ names: TensorNames) -> [PublishedVariant] {
        switch names {
        case .settled: []
        case .timm: Self.timmEfficientNets
        case .clip: Self.clipFiles(name)
        case .own: ownVariants
        }
    }

    private var ownVariants: [PublishedVariant] {
        if name.hasPrefix("clip_") { return Self.clipFiles(name) }
        return Self.ownFiles.filter { $0.backbones.contains { name.hasPrefix($0) } }
            .map { PublishedVariant(numerics: $0.numerics, input: $0.input, files: $0.files) }
    }

    /// By the backbones' names, or the beginning of several.
    private static let ownFiles: [(backbones: [String], numerics: Numerics, input: InputConvention, files: String)] = [
        (["inceptionv3"], .torchvision, .symmetric, "torchvision's and timm's tf_in1k files"),
        (["inceptionv3"], .torchvision, .imageNet, "timm's gluon_in1k file"),
        (["resnet34"], .torchvision, .imageNet, "torchvision's and most of timm's files"),
        (["resnet34"], .torchvision, .symmetric, "timm's ra4_e3600 file"),
        (["vgg16"], .torchvision, .imageNet, "torchvision's and timm's classifiers"),
        (["vgg16"], .torchvision, .ssdVGG, "torchvision's vgg16_features-amdegroot file"),
        (["efficientnetv2_"], .keras, .symmetric, "timm's tf_efficientnetv2 files"),
        (["efficientnetv2_"], .timm, .imageNet, "weights trained with timm's efficientnetv2"),
        (["efficientnet_lite"], .keras, .symmetric, "timm's tf_efficientnet_lite files"),
        (["efficientnet_lite"], .timm, .imageNet, "timm's efficientnet_lite files"),
        (["mobilenetv3_large"], .timm, .imageNet, "timm's ra_in1k file"),
        (["mobilenetv3_large"], .timm, .symmetric, "timm's ra4_e3600 files"),
        (["mobilenetv3_large"], .timm, .unit, "timm's miil files"),
        (["mobilenetv3_large"], .keras, .symmetric, "timm's tf_mobilenetv3 file"),
        (["convnext_base"], .torchvision, .imageNet, "ImageNet and DINOv3 files"),
        (["convnext_base"], .torchvision, .clip, "timm's clip_laion2b and clip_laiona files"),
        (plainTransformers, .timm, .symmetric, "timm's augreg, orig and sam files"),
        (plainTransformers, .timm, .imageNet, "DeiT, DINO and MAE files"),
        (["vit_base_16"], .timm, .clip, "timm's bamboo file"),
    ]
    private static let plainTransformers = ["vit_tiny_16", "vit_small_16", "vit_base_16", "vit_large_16"]

    private static let timmEfficientNets: [PublishedVariant] = [
        .init(numerics: .timm, input: .imageNet, files: "most of timm's efficientnet files"),
        .init(numerics: .timm, input: .symmetric, files: "timm's efficientnet ra4_e3600 files"),
        .init(numerics: .keras, input: .imageNet, files: "timm's tf_efficientnet files"),
        .init(numerics: .keras, input: .symmetric, files: "timm's tf_efficientnet ap_in1k files"),
    ]

    private static func clipFiles(_ name: String) -> [PublishedVariant] {
        let common = [
            PublishedVariant(
                numerics: .openai, input: .clip, files: "OpenAI's, MetaCLIP's and DFN's files (quick GELU)"),
            .init(numerics: .openCLIP, input: .clip, files: "LAION's and DataComp's files (exact GELU)"),
        ]
        guard name == "clip_vitl14" else { return common }
        return common + [.init(numerics: .openCLIP, input: .symmetric, files: "LAION-2B's ViT-L/14")]
    }
}

extension InputConvention {
    /// Values from 0 to 1: value / 255.
    static let unit = InputConvention(mean: [0, 0, 0], standardDeviation: [1, 1, 1])

    /// Of torchvision's VGG-16 for SSD: 255 · (value − mean), RGB.
    static let ssdVGG = InputConvention(
        mean: [0.48235, 0.45882, 0.40784], standardDeviation: [Float](repeating: 1 / 255, count: 3))

    /// The named conventions of `extract.input`.
    package static let named: [String: InputConvention] = [
        "imagenet": .imageNet, "symmetric": .symmetric, "clip": .clip, "caffe": .caffe, "kinetics": .kinetics,
    ]

    /// As written in `extract.input`: a name, or mean and standard deviation.
    package var text: String {
        if let name = Self.named.first(where: { $0.value == self })?.key { return name }
        func list(_ values: [Float]) -> String { "[" + values.map(Self.decimal).joined(separator: ", ") + "]" }
        return "{mean: \(list(mean)), deviation: \(list(standardDeviation))\(isBlueFirst ? ", blue_first: true" : "")"
            + (isDifference == true ? ", difference: true}" : "}")
    }

    private static func decimal(_ value: Float) -> String {
        value == value.rounded() && abs(value) < 1e6 ? String(Int(value)) : String(value)
    }
}
