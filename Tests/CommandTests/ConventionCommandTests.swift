import Backbones
import Foundation
import NeuralNetwork
import TestSupport
import Testing

/// Notes of commands about weights whose convention is ambiguous from tensor names.
@Suite struct ConventionCommandTests {
    /// A workplace with a weight file whose names match timm's ViT, DeiT, DINO and MAE.
    private static func place() throws -> Workplace {
        let place = try Workplace(clips: 4)
        let backbone = try #require(Backbone.named("vit_tiny_16"))
        let random = RandomParameters()
        let parameters = backbone.graph(imageSize: 224).parameters
        let tensors = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, random.tensor(for: $0)) })
        try SafeTensorsWriter.write(tensors, to: place.path + "/vit.safetensors")
        let pipeline = Workplace.pipeline.replacing("resnet18", with: "vit_tiny_16")
            .replacing("weights: random", with: "weights: vit.safetensors")
        try place.add("p.yaml", pipeline + "\nfinetune: {model: {kind: average}, epochs: 1, unfreeze: 1}\n")
        return place
    }

    @Test("every command prints the convention of ambiguous weights and the key that changes it; the key ends the note")
    func notes() throws {
        let place = try Self.place()
        try place.run(
            "extract", "p.yaml", status: 0, error: "vit_tiny_16 uses `extract.input: symmetric`",
            "for DeiT, DINO and MAE files write `extract.input: imagenet`")
        // The key for the convention in use belongs to the same recipe.
        try place.run("extract", "p.yaml", "--set", "extract.input=symmetric", status: 0, absent: "note:")
        #expect(try place.query("SELECT count(*) FROM extraction") == [1])
        try place.run("extract", "p.yaml", "--set", "extract.input=imagenet", status: 0, absent: "note:")
        let recipes: [String] = try place.query("SELECT recipe FROM extraction ORDER BY id")
        #expect(recipes.count == 2 && recipes[1].contains("0.485") && !recipes[0].contains("0.485"))
        try place.run("extract", "p.yaml", "--set", "extract.weights=random", absent: "does not state")
        try place.run("finetune", "p.yaml", status: 0, error: "`extract.input: imagenet`")
        // The fine-tuned backbone's file states its convention.
        try place.run(
            "extract", "p.yaml", "--set", "extract.weights=runs/tiny/backbone/model.safetensors", status: 0,
            absent: "does not state")
    }

    @Test(
        "if a file has several models, commands print which one is used; another can be selected"
    )
    func parts() throws {
        let place = try Self.place()
        let vit = try openWeights(path: place.path + "/vit.safetensors")
        var tensors: [String: Tensor] = [:]
        for name in vit.shapes.keys {
            tensors["teacher." + name] = try vit.tensor(named: name)
            tensors["student." + name] = try vit.tensor(named: name).map { Tensor(shape: $0.shape, repeating: 0.01) }
        }
        try SafeTensorsWriter.write(tensors, to: place.path + "/dino.safetensors")
        let note =
            "dino.safetensors holds 2 models that fit vit_tiny_16: `teacher` is used, not `student`. To choose, write "
            + "`extract.weights: {file: dino.safetensors, part: student}`"
        try place.run(
            "weights", "inspect", "dino.safetensors", out: "This looks like vit_tiny_16 in the part teacher.",
            error: note)
        try place.run("weights", "convert", "dino.safetensors", "student.safetensors", "--part", "student", status: 0)
        let converted = try openWeights(path: place.path + "/student.safetensors")
        #expect(try converted.tensor(named: "cls_token")?.values.allSatisfy { $0 == 0.01 } == true)
        #expect(try place.run("extract", "p.yaml", "--set", "extract.weights=dino.safetensors").error.contains(note))
        try place.run(
            "extract", "p.yaml", "--set", "extract.weights={file: dino.safetensors, part: student}", status: 0,
            absent: "holds 2 models")
        let parts: [String] = try place.query("SELECT json_extract(recipe, '$.part') FROM extraction ORDER BY id")
        #expect(parts == ["teacher", "student"])
        try place.run(
            "extract", "p.yaml", "--set", "extract.weights={file: dino.safetensors, part: ema}", status: 1,
            error: "has no part `ema`")
        let misspelt = try place.run("extract", "p.yaml", "--set", "extract.weights={file: dino.safetensors, parts: x}")
        #expect(misspelt.status != 0 && misspelt.error.contains("did you mean `part`?"), "\(misspelt.error)")
    }

    @Test("classify accepts the same keys as options, and inspect prints a file's convention") func options() throws {
        let place = try Self.place()
        func classify(_ arguments: String...) throws -> ChildProcess.Output {
            try place.run(
                [
                    "classify", "clips/train/jump up/0.y4m", "--backbone", "vit_tiny_16", "--weights",
                    "vit.safetensors", "--frames", "1", "--json",
                ] + arguments)
        }
        let plain = try classify()
        #expect(plain.status == 0 && plain.error.contains("write `--input imagenet`"), "\(plain.error)")
        let same = try classify("--input", "symmetric")
        #expect(same.out == plain.out && same.error.isEmpty, "\(same.error)")
        let other = try classify("--input", "{mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225]}")
        #expect(try other.status == 0 && other.out != plain.out && other.out == classify("--input", "imagenet").out)
        #expect(try classify("--resize", "bilinear").out != plain.out)
        #expect(try classify("--numerics", "torchvision").error.contains("does not state") == false)
        for (option, value) in [("--input", "rgb"), ("--resize", "linear"), ("--numerics", "keras")] {
            let wrong = try classify(option, value)
            #expect(wrong.status == 64 && wrong.error.contains("not '\(value)'"), "\(wrong.error)")
        }
        try place.run(
            "weights", "inspect", "vit.safetensors", out: "`numerics: timm` and `input: symmetric`",
            error: "`extract.input: imagenet`")
    }
}
