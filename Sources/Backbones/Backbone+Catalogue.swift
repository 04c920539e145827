import NeuralNetwork

extension Backbone {
    static let resNets = ResNet.Depth.allCases.map { depth in
        Backbone(
            name: "resnet\(depth.rawValue)", source: "He et al. 2015, torchvision v1.5", nativeImageSize: 224,
            minimumImageSize: 32, numerics: [.torchvision], taps: ["pooled", "spatial"],
            makeGraph: { size, _ in ResNet(depth).graph(imageSize: size) }, makeConvention: { _ in .imageNet })
    }

    static let inceptionV3 = Backbone(
        name: "inceptionv3", source: "Szegedy et al. 2015, torchvision and Keras", nativeImageSize: 299,
        minimumImageSize: 75, numerics: [.torchvision, .keras], taps: ["pooled", "spatial"],
        makeGraph: { size, numerics in InceptionV3(numerics).graph(imageSize: size) },
        // torchvision's published weights renormalise ImageNet-normalised input to [−1, 1] inside the network.
        makeConvention: { _ in .symmetric })

    static let efficientNets = EfficientNet.Size.allCases.map { size in
        Backbone(
            name: "efficientnet_\(size)", source: "Tan and Le 2019, torchvision, Keras and timm",
            nativeImageSize: size.scaling.imageSize, minimumImageSize: 32, numerics: [.torchvision, .keras, .timm],
            taps: ["pooled", "spatial"],
            makeGraph: { imageSize, numerics in EfficientNet(size, numerics).graph(imageSize: imageSize) },
            makeConvention: { _ in .imageNet })
    }

    static let vgg16 = Backbone(
        name: "vgg16", source: "Simonyan and Zisserman 2014, torchvision and Keras", nativeImageSize: 224,
        minimumImageSize: 32, numerics: [.torchvision, .keras], taps: ["pooled", "spatial", "flatten"],
        makeGraph: { size, _ in VGG16().graph(imageSize: size) }, makeConvention: { $0 == .keras ? .caffe : .imageNet })

    static let smallCNN = Backbone(
        name: "small_cnn", source: "four convolutions, for training from scratch", nativeImageSize: 128,
        minimumImageSize: 32, numerics: [.torchvision], taps: ["pooled", "spatial"],
        makeGraph: { size, _ in SmallCNN().graph(imageSize: size) }, makeConvention: { _ in .imageNet })

    static let clipNetworks =
        VideoResNet.Variant.allCases.map { variant in
            Backbone(
                name: variant.rawValue, source: "Tran et al. 2018, torchvision", nativeImageSize: 112,
                minimumImageSize: 32, numerics: [.torchvision], taps: ["pooled", "spatial"], framesAtOnce: 1,
                clip: ClipLength(native: 16, minimum: 1) {
                    VideoResNet(variant).graph(imageSize: $0, frames: $1)
                }, makeConvention: { _ in .kinetics })
        } + [
            Backbone(
                name: "s3d", source: "Xie et al. 2018, torchvision", nativeImageSize: 224, minimumImageSize: 209,
                numerics: [.torchvision], taps: ["pooled", "spatial"], framesAtOnce: 1,
                clip: ClipLength(native: 64, minimum: 13) { VideoInception(.s3d).graph(imageSize: $0, frames: $1) },
                makeConvention: { _ in .kinetics }),
            Backbone(
                name: "i3d_rgb", source: "Carreira and Zisserman 2017, PyTorch conversion", nativeImageSize: 224,
                minimumImageSize: 193, numerics: [.torchvision], taps: ["pooled", "spatial"], framesAtOnce: 1,
                clip: ClipLength(native: 64, minimum: 9) { VideoInception(.i3d).graph(imageSize: $0, frames: $1) },
                makeConvention: { _ in .symmetric }),
        ]

    static let efficientNetsLite = EfficientNetLite.Size.allCases.map { size in
        Backbone(
            name: "efficientnet_\(size)", source: "Google 2020, TensorFlow and timm",
            nativeImageSize: size.scaling.imageSize, minimumImageSize: 32,
            // timm itself trained only the smallest one.
            numerics: size == .lite0 ? [.timm, .keras] : [.keras, .timm], taps: ["pooled", "spatial"],
            interpolation: .bicubic, framesAtOnce: 2,
            makeGraph: { imageSize, numerics in EfficientNetLite(size, numerics).graph(imageSize: imageSize) },
            makeConvention: { $0 == .keras ? .symmetric : .imageNet })
    }

    static let efficientNetsV2 = EfficientNetV2.Size.allCases.map { size in
        Backbone(
            name: "efficientnetv2_\(size)", source: "Tan and Le 2021, torchvision, Keras and timm",
            nativeImageSize: size.imageSize, minimumImageSize: 32, numerics: [.torchvision, .keras, .timm],
            taps: ["pooled", "spatial"], interpolation: size == .l ? .bicubic : .bilinear, framesAtOnce: 2,
            makeGraph: { imageSize, numerics in EfficientNetV2(size, numerics).graph(imageSize: imageSize) },
            makeConvention: { $0 == .keras ? .by128 : $0 == .torchvision && size == .l ? .symmetric : .imageNet })
    }

    static let mobileNetV3 = Backbone(
        name: "mobilenetv3_large", source: "Howard et al. 2019, torchvision and timm", nativeImageSize: 224,
        minimumImageSize: 32, numerics: [.torchvision, .timm, .keras], taps: ["pooled", "spatial"], framesAtOnce: 2,
        makeGraph: { size, numerics in MobileNetV3(numerics).graph(imageSize: size) },
        makeConvention: { $0 == .keras ? .symmetric : .imageNet })

    static let convNeXts = [1, 2].flatMap { version in
        ConvNeXt.Size.allCases.map { size in
            Backbone(
                name: "convnext\(version == 1 ? "" : "v2")_\(size)",
                source: version == 1 ? "Liu et al. 2022, torchvision and timm" : "Woo et al. 2023, timm",
                nativeImageSize: 224, minimumImageSize: 32, numerics: version == 1 ? [.torchvision, .timm] : [.timm],
                taps: ["pooled", "spatial"], interpolation: version == 1 ? .bilinear : .bicubic, framesAtOnce: 4,
                makeGraph: { imageSize, _ in ConvNeXt(size, version: version).graph(imageSize: imageSize) },
                makeConvention: { _ in .imageNet })
        }
    }

    static let visionTransformers: [Backbone] = [
        (VisionTransformer.Size.tiny, 16), (.small, 16), (.small, 32), (.base, 16), (.base, 32), (.large, 16),
        (.large, 32),
    ].map { size, patch in
        transformer(
            "vit_\(size)_\(patch)", "Dosovitskiy et al. 2020, timm (augreg) and torchvision", patch: patch,
            numerics: [.timm, .torchvision],
            makeNetwork: { _ in VisionTransformer(size, .supervised, patch: patch, grid: 224 / patch) },
            makeConvention: { $0 == .timm ? .symmetric : .imageNet })
    }

    static let dinov2s: [Backbone] = [0, 4].flatMap { registers in
        [VisionTransformer.Size.small, .base, .large].map { size in
            transformer(
                "dinov2_vit\(size.rawValue.prefix(1))14\(registers > 0 ? "_reg" : "")",
                "Oquab et al. 2023, Meta, timm and transformers", patch: 14, numerics: [.timm],
                makeNetwork: { _ in VisionTransformer(size, .dino(registers: registers), patch: 14, grid: 37) },
                makeConvention: { _ in .imageNet })
        }
    }

    static let imageTowers: [Backbone] =
        [(VisionTransformer.Size.base, 32, 512), (.base, 16, 512), (.large, 14, 768)].map { size, patch, projection in
            transformer(
                "clip_vit\(size.rawValue.prefix(1))\(patch)",
                "Radford et al. 2021, OpenAI, open_clip, transformers and timm",
                patch: patch, numerics: [.openai, .openCLIP], taps: ["projected"],
                makeNetwork: { numerics in
                    VisionTransformer(
                        size, .clip(projection: projection), patch: patch, grid: 224 / patch,
                        activation: numerics == .openai ? .quickGELU : .gelu)
                },
                makeConvention: { _ in .clip })
        }
        + [("siglip_b16", "Zhai et al. 2023"), ("siglip2_b16", "Tschannen et al. 2025")].map { name, paper in
            transformer(
                name, paper + ", Google, transformers, timm and open_clip", patch: 16,
                numerics: [.transformers, .timm], taps: ["projected"],
                makeNetwork: { numerics in
                    VisionTransformer(
                        .base, .siglip, patch: 16, grid: 14, activation: numerics == .timm ? .gelu : .geluTanh)
                },
                makeConvention: { _ in .symmetric })
        }

    private static func transformer(
        _ name: String, _ source: String, patch: Int, numerics: [Numerics], taps: [String] = [],
        makeNetwork: @escaping @Sendable (Numerics) -> VisionTransformer,
        makeConvention: @escaping @Sendable (Numerics) -> InputConvention
    ) -> Backbone {
        Backbone(
            name: name, source: source, nativeImageSize: 224, minimumImageSize: 2 * patch, numerics: numerics,
            taps: ["pooled", "mean", "tokens"] + taps, patch: patch, interpolation: .bicubic, framesAtOnce: 4,
            makeGraph: { imageSize, numerics in makeNetwork(numerics).graph(imageSize: imageSize) },
            makeConvention: makeConvention)
    }
}
