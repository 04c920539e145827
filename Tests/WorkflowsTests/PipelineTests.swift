import Backbones
import Datasets
import Extraction
import Foundation
import SequenceModels
import Testing
@testable import PipelineFile

@Suite struct PipelineTests {
    static let text = """
        name: ucf101-resnet152-bilstm
        dataset:
          layout: ucf101
          root: data/UCF-101
          splits: data/ucfTrainTestlist
          split: 2
          validation: 0.25
          classes: {top: 5}
        extract:
          backbone: resnet152
          weights: weights/resnet152.safetensors
          tap: pooled
          image_size: 224
          sampling: {policy: stride, every: 10, start: random, frames: 5}
          views: 1
          precision: f32
          store: float32
        sequence:
          model: {kind: bilstm, projection: 512, hidden: 256, layers: 2, dropout: 0}
          standardize: false
          loss: cross_entropy
          optimizer: {kind: adam, learning_rate: 5e-4}
          batch_size: 32
          epochs: 100
          early_stopping: {monitor: validation_loss, patience: 15}
          seed: 42
        """

    static func parse(_ text: String, _ overrides: [String] = []) throws -> Pipeline {
        try Pipeline(text: text, file: "test.yaml", overrides: overrides)
    }

    /// The error of a file with one changed line, and that line's number.
    static func error(replacing old: String, by new: String) -> (error: PipelineError?, line: Int) {
        let lines = text.components(separatedBy: "\n")
        let line = (lines.firstIndex { $0.contains(old) } ?? -1) + 1
        precondition(line > 0)
        let changed = text.replacingOccurrences(of: old, with: new)
        return (#expect(throws: PipelineError.self) { try parse(changed) }, line)
    }

    @Test("the documented example is parsed into typed values") func example() throws {
        let pipeline = try Self.parse(Self.text)
        #expect(pipeline.name == "ucf101-resnet152-bilstm")
        #expect(pipeline.dataset.layout == .ucf101)
        #expect(pipeline.dataset.name == "UCF-101/split2")
        #expect(pipeline.dataset.classes == .top(5))
        #expect(pipeline.extractions[0].backbone.name == "resnet152")
        #expect(pipeline.extractions[0].weights == .file("weights/resnet152.safetensors"))
        #expect(pipeline.extractions[0].sampling == .stride(every: 10, start: .random, frames: 5))
        let training = try #require(pipeline.training)
        #expect(training.model == HeadConfiguration(kind: .bilstm, hidden: [256, 256], projection: 512))
        #expect(training.optimizer.learningRate == 5e-4)
        #expect(training.earlyStopping == .init(monitor: .validationLoss, patience: 15))
        #expect(training.validation == 0.25)
    }

    @Test("omitted keys have the documented defaults") func defaults() throws {
        let pipeline = try Self.parse("dataset: {root: data/mine}\nextract: {backbone: resnet18, weights: random}")
        #expect(pipeline.name == "test")
        #expect(pipeline.dataset.layout == .folders)
        #expect(pipeline.dataset.name == "mine")
        #expect(pipeline.dataset.validation == 0.2)
        #expect(pipeline.extractions[0].imageSize == 224)
        #expect(pipeline.extractions[0].sampling == .uniform(frames: 20))
        #expect(pipeline.extractions[0].tap == "pooled")
        #expect(pipeline.training == nil)
    }

    @Test(
        "an unknown key or value is an error with its line and the nearest known one",
        arguments: [
            ("  backbone: resnet152", "  backbon: resnet152", ["`extract.backbon`", "`backbone`"]),
            ("  backbone: resnet152", "  backbone: resnet125", ["resnet125", "`resnet152`"]),
            ("kind: adam", "kind: adm", ["sequence.optimizer.kind", "`adam`"]),
            ("  seed: 42", "  sead: 42", ["`sequence.sead`", "`seed`"]),
            ("policy: stride", "policy: strde", ["extract.sampling.policy", "`stride`"]),
            ("layout: ucf101", "layout: ucf", ["dataset.layout", "`ucf101`"]),
        ])
    func unknown(old: String, new: String, words: [String]) {
        let (error, line) = Self.error(replacing: old, by: new)
        #expect(error?.line == line)
        for word in words { #expect(error?.message.contains(word) == true, "\(error?.message ?? "")") }
        #expect(error?.localizedDescription.hasPrefix("test.yaml, line \(line): ") == true)
    }

    @Test(
        "a wrong type or an impossible value is an error at its line",
        arguments: [
            ("image_size: 224", "image_size: 8"), ("image_size: 224", "image_size: large"),
            ("batch_size: 32", "batch_size: 0"), ("learning_rate: 5e-4", "learning_rate: -1"),
            ("validation: 0.25", "validation: 1.5"), ("standardize: false", "standardize: maybe"),
            ("patience: 15", "patience: 0"), ("every: 10", "every: 0"), ("split: 2", "split: 4"),
            ("dropout: 0", "dropout: 1"), ("views: 1", "views: 0"), ("precision: f32", "precision: f8"),
            ("classes: {top: 5}", "classes: {top: 0}"), ("classes: {top: 5}", "classes: some"),
            ("policy: stride", "policy: uniform"), ("hidden: 256, layers: 2", "hidden: [256, 128], layers: 3"),
        ])
    func impossible(old: String, new: String) {
        let (error, line) = Self.error(replacing: old, by: new)
        #expect(error?.line == line)
    }

    @Test("the input convention is a name or explicit values; if omitted, it follows the weights") func input() throws {
        func input(_ value: String) throws -> InputConvention? {
            try Self.parse(Self.text, ["extract.input=" + value]).extractions[0].input
        }
        #expect(try Self.parse(Self.text).extractions[0].input == nil)
        #expect(try input("caffe") == .caffe)
        #expect(
            try input("{mean: [0, 0, 0], deviation: [1, 1, 0.5]}")
                == InputConvention(mean: [0, 0, 0], standardDeviation: [1, 1, 0.5]))
        for wrong in [
            "cafe", "{mean: [0, 0, 0]}", "{mean: [0, 0], deviation: [1, 1, 1]}", "[1, 2]",
            "{mean: [a, b, c], deviation: [1, 1, 1]}", "{mean: [0, 0, 0], deviation: [1, 0, 1]}",
        ] { #expect(throws: PipelineError.self, "\(wrong)") { try input(wrong) } }
    }

    @Test("missing parts, broken YAML and an empty file are errors") func broken() {
        for text in ["", "name: x", "dataset: {root: a}", "- a\n- b", "a: [", "dataset: 3\nextract: 4"] {
            #expect(throws: PipelineError.self) { try Self.parse(text) }
        }
        #expect(throws: PipelineError.self) { try Pipeline(file: "/no/such/pipeline.yaml") }
    }

    @Test("overrides replace and add keys, and are validated like the file") func overrides() throws {
        let pipeline = try Self.parse(
            Self.text,
            ["sequence.optimizer.learning_rate=1e-2", "sequence.model={kind: gru, hidden: [16, 8]}", "name=other"])
        #expect(pipeline.training?.optimizer.learningRate == 1e-2)
        #expect(pipeline.training?.model == HeadConfiguration(kind: .gru, hidden: [16, 8]))
        #expect(pipeline.name == "other")
        #expect(try Self.parse(Self.text, ["dataset.name=mine"]).dataset.name == "mine")
        #expect(throws: PipelineError.self) { try Self.parse(Self.text, ["sequence.optimiser.kind=sgd"]) }
        #expect(throws: PipelineError.self) { try Self.parse(Self.text, ["sequence.seed"]) }
    }

    @Test("the keys of data sets with several labels a clip are read, and rejected where they do not apply")
    func severalLabels() throws {
        func dataset(_ keys: String) throws -> DatasetConfiguration {
            try Self.parse("dataset: {root: a, \(keys)}\nextract: {backbone: resnet18, weights: random}").dataset
        }
        let own = try dataset("layout: csv, splits: l.csv, task: multilabel, label_separator: ', ', negatives: none")
        #expect(own.task == .multilabel && own.labelSeparator == ", " && own.negatives == "none")
        let defaults = try dataset("task: multilabel")
        #expect(defaults.labelSeparator == "|" && defaults.negatives == nil)
        #expect(try dataset("layout: folders").task == .classification)
        for (keys, message) in [
            ("label_separator: ','", "`dataset.label_separator` needs `dataset.task: multilabel`"),
            ("negatives: none, task: classification", "`dataset.negatives` needs `dataset.task: multilabel`"),
            ("layout: ucf101, splits: l, task: multilabel", "must be `classification` for the layout `ucf101`"),
            ("layout: gtea61, task: multilabel", "must be `classification` for the layout `gtea61`"),
            ("layout: folders, task: multilabel, label_separator: ','", "does not apply to the layout `folders`"),
            ("layout: csv, splits: l, task: multilabel, label_separator: ''", "must not be empty"),
            ("task: multilabel, negatives: ''", "must not be empty"), ("task: multi_label", "`multilabel`"),
            ("task: multilabel, negatives: [a]", "must be a text"),
        ] {
            let error = #expect(throws: PipelineError.self) { try dataset(keys) }
            #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        }
    }

    @Test("every file in pipelines/ is valid") func published() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../pipelines")
            .standardizedFileURL.path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
        #expect(!files.isEmpty)
        for file in files { _ = try Pipeline(file: folder + "/" + file) }
    }

    @Test("the nearest word is found, or none if no word is near") func nearestWord() {
        #expect(nearest(to: "resnet125", among: ["resnet18", "resnet152"]) == "resnet152")
        #expect(nearest(to: "Resnet18", among: ["resnet18", "resnet152"]) == "resnet18")
        #expect(nearest(to: "x", among: ["learning_rate"]) == nil)
    }

    @Test(
        "a list of backbones has a weight file and optionally a size for each; `sequence` must name one"
    )
    func severalBackbones() throws {
        let list = ["extract.backbone=[resnet18, inceptionv3]"]
        let random = try Self.parse(Self.text, list + ["extract.weights=random"])
        #expect(random.extractions.map(\.backbone.name) == ["resnet18", "inceptionv3"])
        #expect(random.extractions.allSatisfy { $0.weights == .random })
        #expect(random.trainedOn == nil)
        let named = try Self.parse(
            Self.text,
            list + ["extract.weights=[a.pth, b.h5]", "extract.image_size=[224, 299]", "sequence.backbone=inceptionv3"])
        #expect(named.extractions.map(\.weights) == [.file("a.pth"), .file("b.h5")])
        #expect(named.extractions.map(\.imageSize) == [224, 299])
        #expect(named.trainedOn?.backbone.name == "inceptionv3")
        #expect(try Self.parse(Self.text).trainedOn?.backbone.name == "resnet152")
        for (override, part) in [
            ("extract.weights=[a.pth, b.pth, c.pth]", "`extract.weights` lists 3, but `extract.backbone` lists 2"),
            ("extract.backbone=[resnet18, resnet18]", "contains a duplicate"),
            ("extract.backbone=[resnet18, resnet19]", "did you mean `resnet18`?"),
            ("extract.backbone=[]", "a name or a list of names"), ("extract.image_size=64", "from 75"),
            ("sequence.backbone=vgg16", "it must be one of resnet18, inceptionv3"),
            ("extract.numerics=keras", "cannot be `keras` for resnet18"),
        ] {
            let error = #expect(throws: PipelineError.self) { try Self.parse(Self.text, list + [override]) }
            #expect(error?.message.contains(part) == true, "\(override): \(error?.message ?? "")")
        }
    }

    @Test(
        "a transformer's image size is a multiple of its patch size; taps and resizing are its own"
    )
    func transformers() throws {
        func parse(_ more: String) throws -> Pipeline {
            let weights = more.contains("[") ? "[random, random]" : "random"
            let extract = "{sampling: {policy: first, frames: 2}, weights: \(weights), \(more)}"
            return try Pipeline(text: "dataset: {root: clips}\nextract: \(extract)\n", file: "p.yaml")
        }
        let plain = try parse("backbone: dinov2_vits14").extractions[0]
        #expect(plain.imageSize == 224 && plain.resize == .bicubic && plain.tap == "pooled")
        #expect(try parse("backbone: clip_vitb32, tap: projected, input: clip").extractions[0].input == .clip)
        #expect(try parse("backbone: [vit_tiny_16, siglip_b16], tap: tokens").extractions.count == 2)
        for (text, words) in [
            ("backbone: dinov2_vits14, image_size: 200", "a multiple of the patch size, 14 pixels, such as 196 or 210"),
            ("backbone: vit_tiny_16, tap: spatial", "spatial"), ("backbone: resnet18, tap: tokens", "tokens"),
            ("backbone: clip_vitb32, numerics: timm", "openai, open_clip"),
        ] {
            let error = #expect(throws: PipelineError.self) { try parse(text) }
            #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        }
    }

    @Test("the resize filter has a default and a name") func resize() throws {
        #expect(try Self.parse(Self.text).extractions[0].resize == .antialias)
        #expect(try Self.parse(Self.text, ["extract.resize=bilinear"]).extractions[0].resize == .bilinear)
        #expect(throws: PipelineError.self) { try Self.parse(Self.text, ["extract.resize=linear"]) }
    }
}

@Suite struct FineTuningReaderTests {
    static func pipeline(_ part: String, extract: String = "backbone: vgg16, weights: random, tap: flatten") throws
        -> Pipeline
    { try Pipeline(text: "dataset: {root: clips}\nextract: {\(extract)}\nfinetune: \(part)\n", file: "p.yaml") }

    @Test("all keys of the finetune section are read") func whole() throws {
        let tuning = try #require(
            try Self.pipeline(
                """
                {unfreeze: 4, model: {kind: frame}, frames_per_video: 2, frames_per_class: 200,
                  backbone_learning_rate: 1e-5,
                  augmentation: {flip: [horizontal, vertical], rotation: 0.4, zoom: 0.2, contrast: 0.3, brightness: 0.1,
                  crop: 0.6, per: frame}, optimizer: {kind: adam, learning_rate: 1e-3, epsilon: 0.01}, batch_size: 100}
                """
            ).fineTuning)
        #expect(tuning.unfreezing == .last(4) && tuning.backboneLearningRate == 1e-5)
        #expect(tuning.framesPerVideo == 2 && tuning.framesPerClass == 200)
        #expect(tuning.training.batchSize == 100 && tuning.training.optimizer.epsilon == 0.01)
        let augmentation = tuning.augmentation
        #expect(augmentation.flipsHorizontally && augmentation.flipsVertically && !augmentation.isSharedByClip)
        #expect([augmentation.rotation, augmentation.zoom, augmentation.contrast] == [0.4, 0.2, 0.3])
        #expect(augmentation.brightness == 0.1 && augmentation.crop == 0.6)
        let plain = try #require(try Self.pipeline("{model: {kind: lstm}}").fineTuning)
        #expect(plain.unfreezing == .all && plain.augmentation.isIdentity)
        #expect(
            try Self.pipeline("{unfreeze: [a, b], model: {kind: lstm}}").fineTuning?.unfreezing == .named(["a", "b"]))
    }

    @Test(
        "errors in the finetune section name the line",
        arguments: [
            (
                "{unfreeze: none, model: {kind: lstm}}",
                "`finetune.unfreeze` must be `all`, a number of layers, or a list of their names"
            ), ("{unfreez: 4, model: {kind: lstm}}", "unfreeze"),
            ("{model: {kind: convlstm}}", "needs `extract.tap: spatial`"),
            (
                "{model: {kind: lstm}, augmentation: {rotation: 2}}",
                "`finetune.augmentation.rotation` must be a number from 0 to below 1"
            ), ("{model: {kind: lstm}, augmentation: {crop: 0}}", "above 0, at most 1"),
            ("{model: {kind: lstm}, standardize: true}", "standardize"),
        ])
    func wrong(part: String, message: String) {
        let error = #expect(throws: PipelineError.self) { try Self.pipeline(part) }
        #expect(error?.localizedDescription.contains(message) == true, "\(error?.localizedDescription ?? "")")
        #expect(error?.line == 3)
    }
}
