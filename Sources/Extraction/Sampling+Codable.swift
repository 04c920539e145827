import Video

extension Sampling: Codable {
    private enum CodingKeys: String, CodingKey {
        case policy, frames, every, start, stride
        case framesPerSecond = "frames_per_second"
        case length, windows
    }

    /// As in a pipeline file.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        if let windowed {
            try container.encode("windows", forKey: .policy)
            try container.encode(windowed.length, forKey: .length)
            try container.encode(windowed.stride, forKey: .stride)
            try container.encode(windowed.windows, forKey: .windows)
            return try container.encodeIfPresent(windowed.framesPerSecond, forKey: .framesPerSecond)
        }
        try container.encode(frames, forKey: .frames)
        switch self {
        case .windows: break
        case .first: try container.encode("first", forKey: .policy)
        case .uniform: try container.encode("uniform", forKey: .policy)
        case .rate(let framesPerSecond, _):
            try container.encode("rate", forKey: .policy)
            try container.encode(framesPerSecond, forKey: .framesPerSecond)
        case .stride(let every, let start, _):
            try container.encode("stride", forKey: .policy)
            try container.encode(every, forKey: .every)
            switch start {
            case .at(let index): try container.encode(index, forKey: .start)
            case .random: try container.encode("random", forKey: .start)
            }
        }
    }

    /// Reads the result of `encode`.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let policy = try container.decode(String.self, forKey: .policy)
        if policy == "windows" {
            self = .windows(
                WindowSampling(
                    length: try container.decode(Int.self, forKey: .length),
                    stride: try container.decode(Int.self, forKey: .stride),
                    framesPerSecond: try container.decodeIfPresent(Double.self, forKey: .framesPerSecond),
                    windows: try container.decode(Int.self, forKey: .windows)))
            return
        }
        let frames = try container.decode(Int.self, forKey: .frames)
        switch policy {
        case "first": self = .first(frames: frames)
        case "uniform": self = .uniform(frames: frames)
        case "rate":
            self = .rate(framesPerSecond: try container.decode(Double.self, forKey: .framesPerSecond), frames: frames)
        case "stride":
            let start = (try? container.decode(Int.self, forKey: .start)).map(Start.at) ?? .random
            self = .stride(every: try container.decode(Int.self, forKey: .every), start: start, frames: frames)
        case let policy:
            throw DecodingError.dataCorruptedError(
                forKey: .policy, in: container, debugDescription: "unknown sampling policy \(policy)")
        }
    }
}
