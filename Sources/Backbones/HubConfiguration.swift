import Escaping
import Files
import Foundation

/// A hub's configuration of the weight file beside it: `config.json`, `open_clip_config.json` and
/// `preprocessor_config.json`. timm's `config.json` names the architecture, and the input under `pretrained_cfg`.
struct HubConfiguration {
    /// The implementations with the configured activation; nil if none is configured.
    private(set) var numerics: Set<Numerics>?
    private(set) var input: InputConvention?
    /// The configured resize filter; nil if there is none that `extract.resize` supports.
    private(set) var interpolation: Backbone.Interpolation?

    func allows(_ own: Numerics) -> Bool { numerics?.contains(own) ?? true }

    private static let names = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "open_clip_model.safetensors",
        "open_clip_pytorch_model.bin",
    ]

    init(beside path: String) {
        let url = URL(fileURLWithPath: path)
        guard Self.names.contains(url.lastPathComponent) || url.pathExtension == "onnx" else { return }
        func object(_ name: String) -> [String: Any] {
            let data = try? RegularFile.json(url.deletingLastPathComponent().appendingPathComponent(name).path)
            return data.flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] } ?? [:]
        }
        let configuration = object("config.json")
        let vision = configuration["vision_config"] as? [String: Any] ?? configuration
        // transformers omits values that are the model's defaults.
        let kind = vision["model_type"] as? String ?? configuration["model_type"] as? String ?? ""
        let standard =
            kind.hasBytePrefix("clip") ? "quick_gelu" : kind.hasBytePrefix("siglip") ? "gelu_pytorch_tanh" : nil
        switch vision["hidden_act"] as? String ?? standard {
        case "quick_gelu": numerics = [.openai]
        case "gelu": numerics = [.openCLIP, .timm]
        case "gelu_pytorch_tanh": numerics = [.transformers]
        default: break
        }
        let pretrained = configuration["pretrained_cfg"] as? [String: Any] ?? [:]
        if let architecture = configuration["architecture"] as? String {
            numerics = Self.numerics(timm: architecture, pretrained)
        }
        let pair = object("open_clip_config.json")
        if let model = pair["model_cfg"] as? [String: Any] {
            numerics = model["quick_gelu"] as? Bool == true ? [.openai] : [.openCLIP, .timm]
        }
        let preprocessor = object("preprocessor_config.json")
        let transform = pair["preprocess_cfg"] as? [String: Any] ?? [:]
        if preprocessor["do_normalize"] as? Bool ?? true {
            input =
                Self.convention(preprocessor["image_mean"], preprocessor["image_std"])
                ?? Self.convention(transform["mean"], transform["std"])
                ?? Self.convention(pretrained["mean"], pretrained["std"])
        }
        // PIL's filter codes.
        let filter =
            (preprocessor["resample"] as? Int).map { [2: "bilinear", 3: "bicubic"][$0] }
            ?? transform["interpolation"] as? String ?? pretrained["interpolation"] as? String
        interpolation = filter == "bilinear" ? .bilinear : filter == "bicubic" ? .bicubic : nil
    }

    /// The implementation that a timm model was trained with. Some CLIP weights need the quick GELU although the model
    /// of that name has the exact one; timm's own fine-tuned versions (`openai_ft_in1k`) use the exact one.
    private static func numerics(timm architecture: String, _ pretrained: [String: Any]) -> Set<Numerics> {
        if architecture.hasBytePrefix("tf_") { return [.keras] }
        guard architecture.containsBytes("_clip_") else { return [.timm] }
        let tag = pretrained["tag"] as? String ?? ""
        let notes = (pretrained["notes"] as? [String] ?? []).joined(separator: " ")
        let isQuick =
            architecture.containsBytes("quickgelu") || notes.containsBytes("QuickGELU")
            || ["openai", "dfn2b"].contains(tag) || tag.hasBytePrefix("metaclip_")
            || tag == "laion400m_e32" && architecture.containsBytes("patch32")
        return isQuick ? [.openai] : [.openCLIP]
    }

    private static func convention(_ mean: Any?, _ standardDeviation: Any?) -> InputConvention? {
        guard let mean = numbers(mean), let standardDeviation = numbers(standardDeviation),
            standardDeviation.allSatisfy({ $0 > 0 })
        else {
            return nil
        }
        let convention = InputConvention(mean: mean, standardDeviation: standardDeviation)
        return convention.isPossible ? convention : nil
    }

    private static func numbers(_ value: Any?) -> [Float]? {
        guard let numbers = value as? [Double], numbers.count == 3 else { return nil }
        return numbers.map(Float.init)
    }
}
