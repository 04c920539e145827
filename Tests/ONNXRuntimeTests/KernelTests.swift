import CKernels
import Testing

/// The program's own kernels, as passed to the GPU's compiler, compared with plain reference implementations.
@Suite("the program's own kernels, on a simulated GPU") struct KernelTests {
    struct Case: CustomTestStringConvertible {
        let element: Element
        let isWide: Bool

        var testDescription: String { "\(element)\(isWide ? "" : ", one at a time")" }
        /// Elements that are loaded at once.
        var width: Int { !isWide ? 1 : element == .f32 ? 4 : 8 }

        static let all = Element.allCases.flatMap {
            [Case(element: $0, isWide: true), Case(element: $0, isWide: false)]
        }
    }

    private static let rows = 11

    private static func run(
        _ element: Element, x: DeviceNumbers, _ operands: [DeviceNumbers?], residual: DeviceNumbers? = nil,
        y: DeviceNumbers, sum: DeviceNumbers? = nil, _ change: (inout pass) -> Void
    ) throws {
        try StandInGPU.enter()
        var own = pass()
        own.type = Int32(element.rawValue)
        own.rows = rows
        own.channels = y.count / rows
        change(&own)
        var reference = own
        let parts = operands + Array(repeating: nil, count: 3 - operands.count)
        (own.x, own.first, own.second, own.third, own.residual, own.y, own.sum) = (
            .init(x.memory), .init(parts[0]?.memory), .init(parts[1]?.memory), .init(parts[2]?.memory),
            .init(residual?.memory), y.memory, sum?.memory
        )
        (
            reference.x, reference.first, reference.second, reference.third, reference.residual, reference.y,
            reference.sum
        ) = (
            .init(x.numbers), .init(parts[0]?.numbers), .init(parts[1]?.numbers), .init(parts[2]?.numbers),
            .init(residual?.numbers), .init(y.numbers), .init(sum?.numbers)
        )
        try StandInGPU.succeed(pass_on_gpu(&own, nil))
        pass_on_cpu(&reference)
    }

    @Test("bias, residual and each activation are correct", arguments: Case.all) func epilogues(_ it: Case) throws {
        let channels = it.isWide ? 3 * it.width : 7
        let x = DeviceNumbers(it.element, "x", count: Self.rows * channels, spread: 5)
        let bias = DeviceNumbers(it.element, "bias", count: channels)
        let residual = DeviceNumbers(it.element, "residual", count: x.count)
        for activation in 0...ACTIVATION_TANH {
            for residual in [nil, residual] {
                let y = DeviceNumbers(it.element, count: x.count)
                try Self.run(it.element, x: x, [bias], residual: residual, y: y) {
                    $0.kind = PASS_EPILOGUE
                    $0.activation = Int32(activation)
                }
                #expect(y.agree(), "activation \(activation)")
            }
        }
    }

    /// Numbers of channels for which rows are in the registers of 8, 16 or 32 lanes, in one to sixteen parts.
    @Test("normalisation is correct over few and many channels", arguments: Case.all) func normalisations(_ it: Case)
        throws
    {
        for parts in [5, 7, 11, 15, 23, 31, 50, 95, 101, 250, 511] {
            let channels = parts * it.width
            let x = DeviceNumbers(it.element, "x", count: Self.rows * channels, spread: 4)
            let residual = DeviceNumbers(it.element, "residual", count: x.count)
            let operands = ["bias", "weight", "shift"].map { DeviceNumbers(it.element, $0, count: channels) }
            for isWhole in [true, false] {
                let y = DeviceNumbers(it.element, count: x.count)
                let sum = DeviceNumbers(it.element, count: x.count)
                try Self.run(
                    it.element, x: x, operands, residual: isWhole ? residual : nil, y: y, sum: isWhole ? sum : nil
                ) {
                    $0.kind = PASS_NORMALIZE
                    $0.epsilon = 1e-5
                }
                #expect(y.agree(tolerance: 2), "\(channels) channels")
                #expect(!isWhole || sum.agree(), "\(channels) channels")
            }
        }
    }

    @Test("more channels than the lanes of a row are rejected") func tooManyChannels() throws {
        let x = DeviceNumbers(.f32, "x", count: Self.rows * 2052)
        #expect(throws: StandInGPU.Failure.self) {
            try Self.run(.f32, x: x, [x, x, x], y: DeviceNumbers(.f32, count: x.count)) { $0.kind = PASS_NORMALIZE }
        }
    }

    @Test("channel scales are applied per image", arguments: Case.all) func scales(_ it: Case) throws {
        let channels = it.isWide ? 2 * it.width : 5
        let x = DeviceNumbers(it.element, "x", count: Self.rows * channels)
        let factors = DeviceNumbers(it.element, "factors", count: (Self.rows + 3) / 4 * channels)
        let y = DeviceNumbers(it.element, count: x.count)
        try Self.run(it.element, x: x, [factors], y: y) {
            $0.kind = PASS_SCALE
            $0.alike = 4
        }
        #expect(y.agree())
    }

    @Test("pixel bytes are converted to floats, as RGB or BGR", arguments: Element.allCases)
    func pixels(_ element: Element) throws {
        try StandInGPU.enter()
        let bytes = (0..<3 * Self.rows).map { UInt8(truncatingIfNeeded: $0 &* 73) }
        let scale: [Float] = [1 / 58.4, 1 / 57.1, 1 / 57.4]
        let offset: [Float] = [-2.1, -2, -1.8]
        for width in [3, 4, 8] {
            for reversed: Int32 in [0, 1] {
                let y = DeviceNumbers(element, count: Self.rows * width)
                try bytes.withUnsafeBytes { bytes in
                    try scale.withUnsafeBytes { scale in
                        try offset.withUnsafeBytes { offset in
                            var own = pass()
                            own.kind = PASS_PIXELS
                            own.type = Int32(element.rawValue)
                            (own.rows, own.width, own.reversed) = (Self.rows, Int32(width), reversed)
                            own.x = bytes.baseAddress
                            (own.first, own.second) = (scale.baseAddress, offset.baseAddress)
                            own.y = y.memory
                            try StandInGPU.succeed(pass_on_gpu(&own, nil))
                            own.y = .init(y.numbers)
                            pass_on_cpu(&own)
                        }
                    }
                }
                #expect(y.agree(), "\(width) channels, \(reversed)")
            }
        }
    }
}
