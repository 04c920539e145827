import NeuralNetwork

/// The blocks of EfficientNet and related networks, built from tables of stages.
struct InvertedResiduals {
    enum Kind {
        /// One convolution (timm's `cn`).
        case convolution
        /// Depthwise, then 1×1 (`ds`).
        case separable
        /// MBConv (`ir`): 1×1 expansion, depthwise, 1×1 projection.
        case inverted
        /// Fused-MBConv (`er`): convolution with expansion, 1×1 projection.
        case fused
    }

    /// Reduced channels of squeeze-and-excitation.
    enum Excitation {
        case none, quarterOfInput
        /// Rounded like all channel counts.
        case quarterOfInner
    }

    /// Repeated blocks; the first one has the stride and changes the number of channels.
    struct Stage {
        let kind: Kind
        let channels, repeats: Int
        var stride = 1, kernel = 3, expansion = 1
        /// Expanded channels, if they are not a multiple of the input channels.
        var inner: Int?
        var excitation = Excitation.none
        var activation: Activation?
    }

    /// Whether padding is TensorFlow's "same", with the odd pixel at the end.
    let padsLikeTensorFlow: Bool
    let epsilon: Float
    let activation: Activation
    /// Activations inside the squeeze-and-excitation, and of its gate.
    var gate: (inner: Activation, outer: Activation) = (.silu, .sigmoid)
    /// Whether parameters have torchvision's names for EfficientNet; otherwise they have timm's.
    var hasTorchvisionNames = false

    /// Builds all stages, with blocks named `blocks.stage.block`, or `features.stage.block` counting stages from 1.
    func stages(_ builder: inout GraphBuilder, _ stages: [Stage], _ input: Graph.NodeID) -> Graph.NodeID {
        var x = input
        for (number, stage) in stages.enumerated() {
            for index in 0..<stage.repeats {
                let name = hasTorchvisionNames ? "features.\(number + 1).\(index)" : "blocks.\(number).\(index)"
                x = block(&builder, name, stage, stride: index == 0 ? stage.stride : 1, x)
            }
        }
        return x
    }

    func block(
        _ builder: inout GraphBuilder, _ name: String, _ stage: Stage, stride: Int, _ input: Graph.NodeID
    ) -> Graph.NodeID {
        let channels = builder.shape(of: input).rowSize
        let inner = stage.inner ?? channels * stage.expansion
        let isResidual = stride == 1 && channels == stage.channels
        let own = stage.activation ?? activation
        // An untrained squeeze-and-excitation halves its input; the initial scale compensates, less so in residual
        // branches.
        let scale: Float = isResidual ? 0.2 : stage.excitation == .none ? 1 : 1.5
        var (x, parts) = (input, 0)
        func unit(
            _ convolution: String, _ normalization: Int, _ channels: Int, kernel: Int, stride: Int = 1, groups: Int = 1,
            _ activation: Activation?, scale: Float = 1
        ) {
            let part = "\(name).block.\(parts)"
            let names =
                hasTorchvisionNames
                ? (part + ".0", part + ".1") : ("\(name).\(convolution)", "\(name).bn\(normalization)")
            x = self.unit(
                &builder, names.0, names.1, x, channels, kernel: kernel, stride: stride, groups: groups,
                activation: activation, scale: scale)
            parts += 1
        }
        func excite() {
            if stage.excitation == .none { return }
            let squeezed = stage.excitation == .quarterOfInput ? max(1, channels / 4) : Self.rounded(inner / 4)
            x = self.excite(
                &builder, hasTorchvisionNames ? "\(name).block.\(parts)" : name + ".se", x, squeezed: squeezed)
            parts += 1
        }
        switch stage.kind {
        case .convolution: unit("conv", 1, stage.channels, kernel: stage.kernel, stride: stride, own, scale: scale)
        case .separable:
            unit("conv_dw", 1, inner, kernel: stage.kernel, stride: stride, groups: inner, own)
            excite()
            unit("conv_pw", 2, stage.channels, kernel: 1, nil, scale: scale)
        case .inverted:
            unit("conv_pw", 1, inner, kernel: 1, own)
            unit("conv_dw", 2, inner, kernel: stage.kernel, stride: stride, groups: inner, own)
            excite()
            unit("conv_pwl", 3, stage.channels, kernel: 1, nil, scale: scale)
        case .fused:
            unit("conv_exp", 1, inner, kernel: stage.kernel, stride: stride, own)
            unit("conv_pwl", 2, stage.channels, kernel: 1, nil, scale: scale)
        }
        return isResidual ? builder.add(name + ".add", x, input) : x
    }

    /// Squeeze-and-Excitation, Hu et al. 2018 (arXiv:1709.01507). Random weights are small: no gate saturates.
    private func excite(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, squeezed: Int
    ) -> Graph.NodeID {
        guard case .image(let channels, let height, let width) = builder.shape(of: input) else { return input }
        func pixelwise(_ part: String, _ input: Graph.NodeID, _ out: Int, from fan: Int) -> Graph.NodeID {
            let layer = Convolution(outChannels: out, window: Window(kernel: Extent(1)), hasBias: true)
            return builder.convolution("\(name).\(part)", input, layer, initializer: .fan(fan))
        }
        let names = hasTorchvisionNames ? ("fc1", "fc2") : ("conv_reduce", "conv_expand")
        let all = Window(kernel: Extent(height, width))
        var s = builder.averagePooling(name + ".avgpool", input, all, countsPadding: false)
        s = builder.activation(gate.inner, pixelwise(names.0, s, squeezed, from: channels))
        s = pixelwise(names.1, s, channels, from: squeezed)
        return builder.scaleChannels(name, input, by: builder.activation(gate.outer, s))
    }

    func unit(
        _ builder: inout GraphBuilder, _ convolution: String, _ normalization: String, _ input: Graph.NodeID,
        _ channels: Int, kernel: Int, stride: Int = 1, groups: Int = 1, activation: Activation?, scale: Float = 1
    ) -> Graph.NodeID {
        guard case .image(_, let height, _) = builder.shape(of: input) else { return input }
        let half = kernel / 2
        // TensorFlow removes one pixel of the leading padding for even image sizes if the stride is above 1.
        let leading = padsLikeTensorFlow && stride > 1 && height % 2 == 0 ? half - 1 : half
        let window = Window(
            kernel: Extent(kernel), stride: Extent(stride), padding: Extent(leading), trailing: Extent(half))
        let x = builder.unit(
            convolution, normalization, input, channels, window, groups: groups, epsilon: epsilon, scale: scale)
        return activation.map { builder.activation($0, x) } ?? x
    }

    /// Scales a channel count and rounds it to a multiple of 8, but not below 90 % of the scaled value.
    static func rounded(_ count: Int, _ factor: Double = 1) -> Int {
        let wanted = Double(count) * factor
        let rounded = max(8, Int(wanted + 4) / 8 * 8)
        return Double(rounded) < 0.9 * wanted ? rounded + 8 : rounded
    }
}

extension GraphBuilder {
    /// Outputs `spatial`, its mean `pooled`, and `logits`.
    mutating func classifier(_ spatial: NodeID, pooling: String, linear: String, classes: Int = 1000) -> Graph {
        let pooled = globalAveragePooling(pooling, spatial)
        let logits = self.linear(linear, pooled, out: classes)
        return build(outputs: ["spatial": spatial, "pooled": pooled, "logits": logits])
    }

    /// A convolution and its batch normalisation.
    mutating func unit(
        _ convolution: String, _ normalization: String, _ input: NodeID, _ channels: Int, _ window: Window,
        groups: Int = 1, epsilon: Float = 1e-5, scale: Float = 1, hasScale: Bool = true
    ) -> NodeID {
        let options = Convolution(outChannels: channels, window: window, groups: groups)
        let x = self.convolution(convolution, input, options)
        return batchNormalization(normalization, x, epsilon: epsilon, scale: scale, hasScale: hasScale)
    }

    mutating func image(_ size: Int) -> NodeID { input(.image(channels: 3, height: size, width: size), name: "image") }

    mutating func clip(_ frames: Int, _ size: Int) -> NodeID {
        input(.clip(channels: 3, frames: frames, height: size, width: size), name: "clip")
    }
}
