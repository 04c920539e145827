import Foundation

/// A weight file as its publisher offers it.
public struct PublishedWeights: Sendable, Equatable {
    /// How a file's bytes are checked.
    public enum Checksum: Sendable, Equatable {
        /// The first eight hex digits of the SHA-256, as torchvision writes them into the file's name.
        case sha256(prefix: String)
        /// The MD5, hex, as Keras publishes it.
        case md5(String)
    }

    /// Who publishes weights.
    public enum Publisher: String, Sendable {
        case torchvision, keras
    }

    /// The backbone it is for.
    public let backbone: String
    /// The file's name, without folders.
    public let file: String
    /// Where it is below the publisher's address.
    public let path: String
    /// Who publishes it.
    public let publisher: Publisher
    /// Size in millions of bytes.
    public let megabytes: Double
    /// How the file is checked.
    public let checksum: Checksum
    /// Accuracy on ImageNet as published, in percent.
    public let top1: Double
    /// Licence of the publisher's code and weights, as published.
    public let licence: String

    /// The publisher's address.
    public var address: String {
        switch publisher {
        case .torchvision: "https://download.pytorch.org/models/"
        case .keras:
            file.hasPrefix("efficientnet")
                ? "https://storage.googleapis.com/keras-applications/"
                : "https://storage.googleapis.com/tensorflow/keras-applications/"
        }
    }

    /// Every file there is, by backbone.
    public static func files(of backbone: String) -> [PublishedWeights] { all.filter { $0.backbone == backbone } }

    /// The file of that name; or the best one of the backbone of that name.
    public static func named(_ name: String) -> PublishedWeights? {
        all.first { $0.file == name } ?? files(of: name).max { $0.top1 < $1.top1 }
    }

    /// Facts from torchvision 0.29 and keras.applications 3.15.
    public static let all: [PublishedWeights] = [
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
            md5: "6d6bbae143d832006294945121d1f1fc",
            top1: 71.3),
    ]

    private static func torchvision(
        _ backbone: String, _ file: String, megabytes: Double, top1: Double
    ) -> PublishedWeights {
        // `resnet18-f37072fd.pth`: the digits between the last hyphen and the ending.
        let digits = file.split(separator: "-").last?.split(separator: ".").first.map(String.init) ?? ""
        return PublishedWeights(
            backbone: backbone, file: file, path: file, publisher: .torchvision, megabytes: megabytes,
            checksum: .sha256(prefix: digits), top1: top1, licence: "BSD-3-Clause")
    }

    private static func keras(_ backbone: String, _ path: String, megabytes: Double, md5: String, top1: Double)
        -> PublishedWeights
    {
        PublishedWeights(
            backbone: backbone, file: path.split(separator: "/").last.map(String.init) ?? path, path: path,
            publisher: .keras, megabytes: megabytes, checksum: .md5(md5), top1: top1,
            licence: backbone == "vgg16" ? "CC-BY-4.0" : "Apache-2.0")
    }
}
