import Backbones
import Video

/// The key `extract.sampling` of a pipeline file.
extension Pipeline {
    private static let samplingKeys = ["frames", "every", "start", "frames_per_second", "length", "stride", "windows"]

    /// One for all backbones, or one for each; the default of video encoders is windows.
    static func samplings(_ section: PipelineReader, _ backbones: [Backbone]) throws -> [Sampling] {
        guard section.has("sampling") else {
            return backbones.map { backbone in
                guard let clip = backbone.clip else { return .uniform(frames: 20) }
                return .windows(
                    WindowSampling(length: clip.native, stride: clip.native / 2, framesPerSecond: 15, windows: 20))
            }
        }
        return try section.sections("sampling", keys: ["policy"] + samplingKeys).map { try sampling($0) }
    }

    private static func sampling(_ reader: PipelineReader) throws -> Sampling {
        let policies = ["first", "stride", "uniform", "rate", "windows"]
        let policy = try reader.required("policy") { try reader.choice($0, policies) }
        func only(_ own: [String]) throws {
            try reader.forbid(samplingKeys.filter { !own.contains($0) }, "does not apply to the policy `\(policy)`")
        }
        func rate() throws -> Double? { try reader.number("frames_per_second", in: Sampling.Ranges.framesPerSecond) }
        if policy == "windows" {
            try only(["length", "stride", "frames_per_second", "windows"])
            let length = try reader.required("length") { try reader.integer($0, in: Sampling.Ranges.length) }
            return .windows(
                WindowSampling(
                    length: length,
                    stride: try reader.integer("stride", in: Sampling.Ranges.stride) ?? max(1, length / 2),
                    framesPerSecond: try rate(),
                    windows: try reader.integer("windows", in: Sampling.Ranges.frames) ?? 20))
        }
        let frames = try reader.integer("frames", in: Sampling.Ranges.frames) ?? 20
        switch policy {
        case "first":
            try only(["frames"])
            return .first(frames: frames)
        case "uniform":
            try only(["frames"])
            return .uniform(frames: frames)
        case "rate":
            try only(["frames", "frames_per_second"])
            return .rate(framesPerSecond: try reader.required("frames_per_second") { _ in try rate() }, frames: frames)
        default:
            try only(["frames", "every", "start"])
            let isRandom = try? reader.string("start") == "random"
            let start = isRandom == true ? nil : try reader.integer("start", in: Sampling.Ranges.start) ?? 0
            return .stride(
                every: try reader.required("every") { try reader.integer($0, in: Sampling.Ranges.stride) },
                start: start.map(Sampling.Start.at) ?? .random, frames: frames)
        }
    }
}
