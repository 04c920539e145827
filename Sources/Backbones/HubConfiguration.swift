import Foundation

/// What a hub's folder says of the weight file in it: `config.json`, `open_clip_config.json` and
/// `preprocessor_config.json` beside a file of the name that hubs use.
struct HubConfiguration {
    /// The arithmetics with the activation that the configuration names; nil where it names none.
    private(set) var numerics: Set<Numerics>?
    /// What the network is fed.
    private(set) var input: InputConvention?

    private static let names = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "open_clip_model.safetensors",
        "open_clip_pytorch_model.bin",
    ]

    init(beside path: String) {
        let url = URL(fileURLWithPath: path)
        guard Self.names.contains(url.lastPathComponent) else { return }
        func object(_ name: String) -> [String: Any] {
            let data = try? Data(contentsOf: url.deletingLastPathComponent().appendingPathComponent(name))
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
        if let model = object("open_clip_config.json")["model_cfg"] as? [String: Any] {
            numerics = model["quick_gelu"] as? Bool == true ? [.openai] : [.openCLIP, .timm]
        }
        let preprocessor = object("preprocessor_config.json")
        if let mean = Self.numbers(preprocessor["image_mean"]), let deviation = Self.numbers(preprocessor["image_std"]),
            preprocessor["do_normalize"] as? Bool ?? true, deviation.allSatisfy({ $0 > 0 })
        {
            input = InputConvention(mean: mean, deviation: deviation)
        }
    }

    private static func numbers(_ value: Any?) -> [Float]? {
        guard let numbers = value as? [Double], numbers.count == 3 else { return nil }
        return numbers.map(Float.init)
    }
}
