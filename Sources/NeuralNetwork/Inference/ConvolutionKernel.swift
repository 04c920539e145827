import COneDNN

/// The order of a picture's numbers in memory.
enum MemoryFormat: String, Codable, CaseIterable {
    case channelsLast
    /// A vector's worth of channels of one pixel, then those of the next.
    case blocked

    var code: onednn_format { self == .channelsLast ? ONEDNN_CHANNELS_LAST : ONEDNN_BLOCKED }
}

/// One way to compute a convolution, and what it takes here.
struct ConvolutionKernel: Codable, Equatable {
    let format: MemoryFormat
    /// Lavin and Gray 2015: fewer multiplications for 3×3 windows, at slightly other rounding.
    let isWinograd: Bool
    let seconds: Double

    /// What oneDNN offers first for each format and algorithm. (Its next offers are slower nearly everywhere, and
    /// version 2.6 gives the first one again where that is in its cache.)
    ///
    /// - Parameters:
    ///   - readsInput: whether the source is the network's input, which is always channels last.
    static func measured(
        _ request: onednn_convolution_options, readsInput: Bool, context: Context
    ) -> [ConvolutionKernel] {
        let isSquare = request.kernel_height == 3 && request.kernel_width == 3
        let canWinograd =
            isSquare && request.stride_height == 1 && request.stride_width == 1 && request.groups == 1
            && request.dilation_height == 1 && request.dilation_width == 1
            && request.weights_element == ONEDNN_F32
        var kernels: [ConvolutionKernel] = []
        for format in MemoryFormat.allCases {
            for isWinograd in canWinograd ? [false, true] : [false] {
                var request = request
                request.winograd = isWinograd
                let time = seconds(request, format, readsInput: readsInput, context)
                if time.isFinite {
                    kernels.append(ConvolutionKernel(format: format, isWinograd: isWinograd, seconds: time))
                }
            }
        }
        return kernels
    }

    /// Infinite where there is no such implementation, or none for this processor.
    private static func seconds(
        _ request: onednn_convolution_options, _ format: MemoryFormat, readsInput: Bool, _ context: Context
    ) -> Double {
        var request = request
        let from = [request.batch, request.in_channels, request.in_height, request.in_width].map { Int($0) }
        let to = [request.batch, request.out_channels, request.out_height, request.out_width].map { Int($0) }
        let element = request.weights_element
        guard let source = try? Layout(from, readsInput ? ONEDNN_CHANNELS_LAST : format.code, element),
            let destination = try? Layout(to, format.code, element),
            let primitive = try? Primitive(
                "candidate",
                { onednn_convolution_create(context.handle, &request, source.handle, destination.handle, $0) }),
            !primitive.isSlow, let weights = primitive.weights
        else { return .infinity }
        let buffers = [source, weights, destination].map { AlignedBuffer(filled: $0.bytes) }
        let bias = AlignedBuffer(filled: to[1] * 4)
        let scratchpad = AlignedBuffer(bytes: primitive.scratchpadBytes)
        let isBound: ()? = try? primitive.bind(
            source: buffers[0].pointer, weights: buffers[1].pointer, bias: bias.pointer,
            destination: buffers[2].pointer, scratchpad: scratchpad.pointer)
        defer { withExtendedLifetime((buffers, bias, scratchpad)) {} }
        return isBound == nil ? .infinity : Stopwatch.shortest { try primitive.execute(in: context) }
    }
}

/// How long something takes.
enum Stopwatch {
    /// Seconds of the fastest of a few runs after one to warm up, which is the only one where it is long;
    /// infinite where it fails.
    static func shortest(_ body: () throws -> Void) -> Double {
        var times: [Double] = []
        for _ in 0..<4 {
            let begin = ContinuousClock.now
            guard (try? body()) != nil else { return .infinity }
            times.append((ContinuousClock.now - begin) / .seconds(1))
            if times.count == 2 && times[0] + times[1] > 0.4 { break }
        }
        return times.dropFirst().min() ?? .infinity
    }
}

extension Primitive {
    /// Whether it is written for any layout, one number after the other.
    var isPlainLoop: Bool { kernel.contains("ref") }

    /// Kernels that are never worth a try beside others: plain loops, and those for much older processors.
    var isSlow: Bool {
        let isWide = ArithmeticLibrary.instructionSet.hasPrefix("avx512")
        return kernel.contains("ref") || kernel.hasPrefix("gemm") || kernel.contains("sse41")
            || (isWide && kernel.hasSuffix("avx2"))
    }
}

extension AlignedBuffer {
    /// Holds ordinary numbers, whatever the element.
    convenience init(filled bytes: Int) {
        self.init(bytes: bytes)
        let words = pointer.assumingMemoryBound(to: UInt32.self)
        // Every half of it is a small number as float32, as bfloat16 and as bytes.
        for index in 0..<self.bytes / 4 { words[index] = 0x3c01_3c01 &+ UInt32(index & 0x3f) }
    }
}
