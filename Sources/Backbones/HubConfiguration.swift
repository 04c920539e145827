import Escaping
import Files
import Foundation

/// What a hub's folder says of the weight file in it: `config.json`, `open_clip_config.json` and
/// `preprocessor_config.json` beside a file of the name that hubs use. timm's `config.json` names the architecture, and the
/// input under `pretrained_cfg`.
struct HubConfiguration {
    /// The arithmetics with the activation that the configuration names; nil where it names none.
    private(set) var numerics: Set<Numerics>?
    /// What the network is fed.
    private(set) var input: InputConvention?

    /// Whether nothing speaks against an arithmetic.
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
        switch vision["hidden_act"] as? String {
        case "quick_gelu": numerics = [.openai]
        case "gelu": numerics = [.openCLIP, .timm]
        case "gelu_pytorch_tanh": numerics = [.transformers]
        default: break
        }
        let pretrained = configuration["pretrained_cfg"] as? [String: Any] ?? [:]
        if let architecture = configuration["architecture"] as? String {
            numerics = Self.numerics(timm: architecture, tag: pretrained["tag"] as? String ?? "")
        }
        if let model = object("open_clip_config.json")["model_cfg"] as? [String: Any] {
            numerics = model["quick_gelu"] as? Bool == true ? [.openai] : [.openCLIP, .timm]
        }
        let preprocessor = object("preprocessor_config.json")
        if preprocessor["do_normalize"] as? Bool ?? true {
            input =
                Self.convention(preprocessor["image_mean"], preprocessor["image_std"])
                ?? Self.convention(pretrained["mean"], pretrained["std"])
        }
    }

    /// What timm computes under that name. OpenAI's weights are for the quick GELU whatever they are run with.
    private static func numerics(timm architecture: String, tag: String) -> Set<Numerics> {
        if architecture.hasBytePrefix("tf_") { return [.keras] }
        if architecture.containsBytes("quickgelu") || tag.hasBytePrefix("openai") { return [.openai] }
        return architecture.containsBytes("_clip_") ? [.openCLIP] : [.timm]
    }

    private static func convention(_ mean: Any?, _ deviation: Any?) -> InputConvention? {
        guard let mean = numbers(mean), let deviation = numbers(deviation), deviation.allSatisfy({ $0 > 0 }) else {
            return nil
        }
        return InputConvention(mean: mean, deviation: deviation)
    }

    private static func numbers(_ value: Any?) -> [Float]? {
        guard let numbers = value as? [Double], numbers.count == 3 else { return nil }
        return numbers.map(Float.init)
    }
}
