import CKernels
import Testing

/// The program's own sliding-window kernels, compared with plain reference implementations.
@Suite("the program's own window operators, on a simulated GPU") struct WindowTests {
    /// Height and width of images that no tile divides, one of them narrower than a tile.
    private static let sizes: [(Int64, Int64)] = [(7, 21), (9, 5)]

    @Test("depthwise convolutions are correct", arguments: Element.allCases) func depthwise(_ element: Element) throws {
        for (size, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)] as [(Int64, Int64)] {
            for image in Self.sizes {
                for hasResidual in [false, true] {
                    var own = product()
                    own.layer.type = Int64(element.rawValue)
                    (own.layer.images, own.layer.size, own.layer.channels) = (2, image, 12)
                    (own.layer.filters, own.layer.kernel, own.layer.groups) = (12, (size, size), 12)
                    (own.layer.stride, own.layer.dilation) = ((stride, stride), (1, 1))
                    // Like TensorFlow's padding at a stride of two: less before than after.
                    let leading = (size - stride) / 2
                    (own.layer.leading, own.layer.trailing) = ((leading, leading), (size / 2, size / 2))
                    own.layer.result = (
                        (image.0 + leading + size / 2 - size) / stride + 1,
                        (image.1 + leading + size / 2 - size) / stride + 1
                    )
                    own.layer.activation = Int64(ACTIVATION_SILU)
                    own.layer.has_residual = hasResidual ? 1 : 0
                    #expect(
                        try Self.agrees(own, element), "\(size), stride \(stride), \(image), residual \(hasResidual)")
                }
            }
        }
    }

    private static func agrees(_ layer: product, _ element: Element) throws -> Bool {
        try StandInGPU.enter()
        let channels = Int(layer.layer.channels)
        let pixels = { (size: (Int64, Int64)) in Int(layer.layer.images * size.0 * size.1) * channels }
        let x = DeviceNumbers(element, "x", count: pixels(layer.layer.size))
        let weight = DeviceNumbers(
            element, "weight", count: Int(layer.layer.kernel.0 * layer.layer.kernel.1) * channels, spread: 0.3)
        let bias = DeviceNumbers(element, "bias", count: channels)
        let y = DeviceNumbers(element, count: pixels(layer.layer.result))
        let residual = layer.layer.has_residual == 1 ? DeviceNumbers(element, "residual", count: y.count) : nil
        var (own, reference) = (layer, layer)
        (own.x, own.weight, own.bias) = (.init(x.memory), .init(weight.memory), .init(bias.memory))
        (own.residual, own.y) = (.init(residual?.memory), y.memory)
        (reference.x, reference.weight, reference.bias) = (.init(x.numbers), .init(weight.numbers), .init(bias.numbers))
        (reference.residual, reference.y) = (.init(residual?.numbers), .init(y.numbers))
        var workspace = gpu_workspace()
        defer { gpu_release(&workspace) }
        try withUnsafeMutablePointer(to: &workspace) { workspace in
            gpu_use(workspace)
            defer { gpu_use(nil) }
            try StandInGPU.succeed(product_on_gpu(&own, nil))
        }
        product_on_cpu(&reference)
        return y.agree(tolerance: 2)
    }

    @Test("max and average pooling are correct", arguments: Element.allCases)
    func poolings(_ element: Element) throws {
        try StandInGPU.enter()
        let windows: [(kernel: (Int64, Int64), stride: (Int64, Int64), leading: (Int64, Int64))] = [
            ((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 3), (1, 1), (1, 1)), ((1, 4), (1, 2), (0, 2)),
            ((5, 5), (1, 1), (0, 0)),
        ]
        for (window, channels) in windows.flatMap({ window in [5, 16].map { (window, $0) } }) {
            for (isMean, countsPadding) in [(false, false), (true, false), (true, true)] {
                var own = pooling()
                own.type = Int32(element.rawValue)
                (own.is_mean, own.counts_padding) = (isMean, countsPadding)
                (own.images, own.size, own.channels) = (2, (9, 7), Int64(channels))
                (own.kernel, own.stride, own.leading) = window
                own.result = (
                    (9 + 2 * window.leading.0 - window.kernel.0) / window.stride.0 + 1,
                    (7 + 2 * window.leading.1 - window.kernel.1) / window.stride.1 + 1
                )
                let x = DeviceNumbers(element, "x", count: 2 * 9 * 7 * channels, spread: 3)
                let y = DeviceNumbers(element, count: Int(2 * own.result.0 * own.result.1) * channels)
                (own.x, own.y) = (.init(x.memory), y.memory)
                try StandInGPU.succeed(pooling_on_gpu(&own, nil))
                (own.x, own.y) = (.init(x.numbers), .init(y.numbers))
                pooling_on_cpu(&own)
                #expect(y.agree(), "\(window), \(channels) channels, mean \(isMean), counts padding \(countsPadding)")
            }
        }
    }
}
