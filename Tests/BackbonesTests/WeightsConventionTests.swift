import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

/// The detected convention of weights, compared with timm's metadata of all published files that fit a supported
/// backbone.
@Suite struct WeightsConventionTests {
    struct Published: Decodable, CustomTestStringConvertible {
        let backbone, architecture, tag: String
        let mean, std: [Float]
        let interpolation: String
        let notes: [String]
        let numerics: Numerics?
        var testDescription: String { "\(architecture).\(tag)" }
        var input: InputConvention { InputConvention(mean: mean, standardDeviation: std) }
    }

    static let all: [Published] = fixture("timm_conventions", in: Bundle.module)

    /// A file with the tensor names of timm, without values.
    private static func file(_ backbone: Backbone) throws -> any Checkpoint {
        let numerics = backbone.numerics.first { $0 == .timm }
        let graph = backbone.graph(imageSize: backbone.nativeImageSize, numerics: numerics)
        let hasOtherNames = backbone.name.wholeMatch(of: /efficientnet_b\d/) != nil
        let names = Dictionary(
            uniqueKeysWithValues: graph.parameters.map {
                (hasOtherNames ? TimmWeightsTests.timmName($0.name) : $0.name, $0.shape)
            })
        let file = RenamedWeightsTests.Names(backbone: "model.pth", names: names)
        return RenamedWeights(file).map { $0 as any Checkpoint } ?? file
    }

    private static func option(_ key: String, _ value: String) -> String { "extract.\(key): \(value)" }

    @Test("the convention of a published file is detected, or the note names the keys that set it", arguments: all)
    func published(file: Published) throws {
        let backbone = try #require(Backbone.named(file.backbone))
        let traits = WeightsTraits(of: try Self.file(backbone))
        let plain = WeightsConvention(backbone, traits)
        let numerics = file.numerics ?? plain.numerics
        if plain.numerics == numerics && plain.input == file.input { return }
        let note = try #require(plain.note(file: "model.pth", option: Self.option))
        let asked = plain.alternatives.map {
            ($0, WeightsConvention(backbone, traits, numerics: $0.numerics, input: $0.input))
        }
        let found = try #require(asked.first { $0.1.numerics == numerics && $0.1.input == file.input }, "\(note)")
        if let other = found.0.numerics { #expect(note.contains("`extract.numerics: \(other.rawValue)`"), "\(note)") }
        if let other = found.0.input { #expect(note.contains("`extract.input: \(other.text)`"), "\(note)") }
        // If both keys are set, there is no note.
        let settled = WeightsConvention(backbone, traits, numerics: numerics, input: file.input)
        #expect(settled.note(file: "model.pth", option: Self.option) == nil)
    }

    @Test(
        "timm's config.json beside a weight file sets arithmetic and input normalisation, without a note",
        arguments: all)
    func hub(file: Published) throws {
        let backbone = try #require(Backbone.named(file.backbone))
        let scratch = ScratchFolder()
        let path = scratch.path + "/model.safetensors"
        let tensors = try Self.file(backbone).shapes.mapValues { _ in Tensor(shape: [1], values: [0]) }
        // Only names matter here; timm's EfficientNet uses its own names.
        let names =
            file.backbone.hasPrefix("efficientnet_b")
            ? Dictionary(uniqueKeysWithValues: tensors.map { (TimmWeightsTests.timmName($0.key), $0.value) }) : tensors
        try SafeTensorsWriter.write(names, to: path)
        let configuration: [String: Any] = [
            "architecture": file.architecture,
            "pretrained_cfg": [
                "tag": file.tag, "mean": file.mean.map(Double.init), "std": file.std.map(Double.init),
                "interpolation": file.interpolation, "notes": file.notes,
            ],
        ]
        try JSONSerialization.data(withJSONObject: configuration).write(
            to: URL(fileURLWithPath: scratch.path + "/config.json"))
        let traits = WeightsTraits(of: try openWeights(path: path))
        let convention = WeightsConvention(backbone, traits)
        if let numerics = file.numerics { #expect(convention.numerics == numerics) }
        #expect(
            zip(convention.input.mean + convention.input.standardDeviation, file.mean + file.std).allSatisfy {
                abs($0 - $1) < 1e-6
            })
        #expect(convention.note(file: path, option: Self.option) == nil)
        #expect(traits.interpolation == (file.interpolation == "bicubic" ? .bicubic : .bilinear))
    }

    @Test(
        "every downloadable file has the convention that the table states, without a note",
        arguments: PublishedWeights.all)
    func fetched(published: PublishedWeights) throws {
        let backbone = try #require(Backbone.named(published.backbone))
        guard published.publisher == .timm else { return }
        let traits = WeightsTraits(of: try Self.file(backbone)).settled(by: published)
        let convention = WeightsConvention(backbone, traits)
        // ConvNeXt's publishers use two naming schemes for the same computation.
        let isSame = published.backbone.hasPrefix("convnext_")
        #expect(isSame || convention.numerics == published.arithmetic ?? backbone.numerics[0])
        #expect(convention.input == published.input ?? backbone.inputConvention(published.arithmetic))
        #expect(convention.note(file: published.file, option: Self.option) == nil)
    }

    @Test("the defaults for every backbone's native names are unchanged, so that digests of recipes stay valid")
    func defaults() throws {
        let expected: [(String, Numerics, InputConvention)] = [
            ("resnet50", .torchvision, .imageNet), ("inceptionv3", .torchvision, .symmetric),
            ("vgg16", .torchvision, .imageNet), ("efficientnet_b0", .timm, .imageNet),
            ("efficientnetv2_s", .keras, .symmetric), ("efficientnet_lite0", .timm, .imageNet),
            ("efficientnet_lite1", .keras, .symmetric), ("mobilenetv3_large", .timm, .imageNet),
            ("convnext_tiny", .torchvision, .imageNet), ("convnextv2_tiny", .timm, .imageNet),
            ("vit_base_16", .timm, .symmetric), ("dinov2_vits14", .timm, .imageNet), ("clip_vitb32", .openai, .clip),
            // Not `transformers`, as before: timm computes the exact GELU.
            ("siglip_b16", .timm, .symmetric), ("siglip2_b16", .timm, .symmetric),
        ]
        for (name, numerics, input) in expected {
            let backbone = try #require(Backbone.named(name))
            let convention = WeightsConvention(backbone, WeightsTraits(of: try Self.file(backbone)))
            #expect(convention.numerics == numerics && convention.input == input, "\(name) \(convention)")
        }
    }

    @Test("a SigLIP file with timm's names gets timm's exact GELU, one with transformers' names the tanh approximation")
    func siglip() throws {
        let backbone = try #require(Backbone.named("siglip_b16"))
        let plain = WeightsConvention(backbone, WeightsTraits(of: try Self.file(backbone)))
        #expect(plain.numerics == .timm && plain.note(file: "f", option: Self.option) == nil)
        let asked = WeightsConvention(backbone, WeightsTraits(of: try Self.file(backbone)), numerics: .transformers)
        #expect(asked.numerics == .transformers)
        let transformers = WeightsTraits(of: try openWeights(path: RenamedWeightsTests.peer("siglip.bin")))
        let own = WeightsConvention(backbone, transformers)
        #expect(own.numerics == .transformers && own.note(file: "f", option: Self.option) == nil)
    }

    @Test("a note says that the activation of CLIP is ambiguous under OpenAI's, open_clip's and transformers' names")
    func clip() throws {
        let backbone = try #require(Backbone.named("clip_vitb32"))
        for peer in ["clip.bin", "open_clip.bin"] {
            let traits = WeightsTraits(of: try openWeights(path: RenamedWeightsTests.peer(peer)))
            let note = WeightsConvention(backbone, traits).note(file: "f", option: Self.option)
            #expect(note?.contains("`extract.numerics: open_clip`") == true, "\(peer): \(note ?? "")")
            #expect(WeightsConvention(backbone, traits, numerics: .openai).note(file: "f", option: Self.option) == nil)
        }
    }

    @Test("a conversion preserves what a file states, and what remains ambiguous") func conversion() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/x.safetensors"
        let timm = try openWeights(path: TimmWeightsTests.fixture())
        let traits = WeightsTraits(of: timm)
        try SafeTensorsWriter.convert(timm, metadata: traits.metadata, to: path)
        let converted = WeightsTraits(of: try openWeights(path: path))
        let backbone = try #require(Backbone.named("efficientnet_b5"))
        #expect(converted.numerics == [.timm, .keras])
        #expect(
            WeightsConvention(backbone, converted).note(file: "f", option: Self.option)
                == WeightsConvention(backbone, traits).note(file: "f", option: Self.option))
        for name in ["efficientnetv2_s", "vit_base_16", "clip_vitl14", "siglip_b16", "convnext_base"] {
            let backbone = try #require(Backbone.named(name))
            let traits = WeightsTraits(of: try Self.file(backbone))
            try SafeTensorsWriter.write(["a": Tensor(shape: [1], values: [0])], metadata: traits.metadata, to: path)
            let read = WeightsTraits(of: try openWeights(path: path))
            let (before, after) = (WeightsConvention(backbone, traits), WeightsConvention(backbone, read))
            #expect(before.numerics == after.numerics && before.input == after.input, "\(name)")
        }
    }

    @Test(
        "a masked autoencoder is detected from its decoder, and has ImageNet's mean and standard deviation"
    )
    func decoder() throws {
        let backbone = try #require(Backbone.named("vit_base_16"))
        var names = try Self.file(backbone).shapes
        names["decoder_embed.weight"] = [512, 768]
        let traits = WeightsTraits(of: RenamedWeightsTests.Names(backbone: "mae.pth", names: names))
        let convention = WeightsConvention(backbone, traits)
        #expect(convention.input == .imageNet && convention.note(file: "mae.pth", option: Self.option) == nil)
    }

    @Test("the note for frame differences suggests keys that keep the differences") func differences() throws {
        let backbone = try #require(Backbone.named("vit_tiny_16"))
        let convention = WeightsConvention(backbone, WeightsTraits(of: try Self.file(backbone)))
        let note = convention.note(file: "f", isDifference: true, option: Self.option)
        #expect(note?.contains("deviation: [0.5, 0.5, 0.5], difference: true}`") == true, "\(note ?? "")")
        #expect(note?.contains("deviation: [0.229, 0.224, 0.225], difference: true}`") == true, "\(note ?? "")")
    }

    @Test("an input convention is printed in the syntax of `extract.input`") func text() {
        #expect(InputConvention.symmetric.text == "symmetric")
        #expect(InputConvention.unit.text == "{mean: [0, 0, 0], deviation: [1, 1, 1]}")
        #expect(
            InputConvention(mean: [0.25, 0.5, 1], standardDeviation: [1, 2, 3], isBlueFirst: true).text
                == "{mean: [0.25, 0.5, 1], deviation: [1, 2, 3], blue_first: true}")
    }
}
