import Files

extension Sampling {
    package enum Ranges {
        /// Number of frames or windows per clip.
        package static let frames = 1...10_000
        /// Frames or ticks between samples: `every` and `stride`.
        package static let stride = 1...1_000_000
        /// The first frame of a stride.
        package static let start = 0...Int.max
        package static let length = 2...1024
        package static let framesPerSecond = NumberRange.positive(atMost: 1000)
    }

    /// `key`: prefix of the key in error messages. Throws `InvalidValue` if a value is outside its valid range.
    package func validate(_ key: String) throws(InvalidValue) {
        switch self {
        case .first, .uniform: break
        case .rate(let framesPerSecond, _):
            try InvalidValue.check(framesPerSecond, key + ".frames_per_second", in: Ranges.framesPerSecond)
        case .stride(let every, let start, _):
            try InvalidValue.check(every, key + ".every", in: Ranges.stride)
            if case .at(let index) = start { try InvalidValue.check(index, key + ".start", in: Ranges.start) }
        case .windows(let windows):
            try InvalidValue.check(windows.length, key + ".length", in: Ranges.length)
            try InvalidValue.check(windows.stride, key + ".stride", in: Ranges.stride)
            try InvalidValue.check(windows.framesPerSecond, key + ".frames_per_second", in: Ranges.framesPerSecond)
        }
        try InvalidValue.check(frames, key + (windowed == nil ? ".frames" : ".windows"), in: Ranges.frames)
    }
}
