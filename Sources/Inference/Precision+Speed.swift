import COneDNN
import NeuralNetwork

extension Precision {
    /// Speed-up of typical convolutions in `bf16` over `f32` on one core of this processor, measured once within a few
    /// hundredths of a second. Nil if it cannot be measured, or if `KernelTuning.standard` is off.
    package static var bf16Speed: Double? {
        guard Precision.bf16.isNative, let tuning = KernelTuning.standard else { return nil }
        if let known = tuning.withMeasured({ $0.bf16Speed }) { return known }
        let measured: [Double]? = try? onAllCores(1) {
            let bench = try KernelBench()
            return { _ in
                let times = [ONEDNN_F32, ONEDNN_BF16].map { element in
                    typical(element).reduce(0) { sum, question in
                        sum + (question.measured(bench).map(\.seconds).min() ?? .infinity)
                    }
                }
                return times[0] / times[1]
            }
        }
        guard let speed = measured?.first, speed.isFinite, speed > 0 else { return nil }
        tuning.withMeasured { $0.bf16Speed = speed }
        return speed
    }

    /// Two convolutions of a residual block in the middle of a network, and a depthwise one.
    private static func typical(_ element: onednn_element) -> [ConvolutionBenchmark] {
        [(1024, 256, 1, 1), (256, 256, 3, 1), (480, 480, 3, 480)].map { from, to, kernel, groups in
            let window = Window(kernel: Extent(kernel), padding: Extent(kernel / 2))
            let options = Convolution(outChannels: to, window: window, groups: groups, hasBias: true)
            return ConvolutionBenchmark(
                step: ConvolutionStep(name: "typical", options: options, parameters: [], input: 0, output: 1),
                from: ImageShape(.image(channels: from, height: 14, width: 14)),
                to: ImageShape(.image(channels: to, height: 14, width: 14)), readsInput: false, batch: 4,
                element: element)
        }
    }
}
