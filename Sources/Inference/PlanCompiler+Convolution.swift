import COneDNN

extension PlanCompiler {
    mutating func compile(_ step: ConvolutionStep) throws {
        if let quantization, quantization.isInteger(step) {
            try compileInteger(step, source: quantization.qparams[step.input]!)
        } else {
            try compileFloat(step)
        }
    }

    private mutating func compileFloat(_ step: ConvolutionStep) throws {
        if step.options.window.reachesOverFrames { return try compileFrames(step) }
        var request = step.request(batch: batch, from: shapes[step.input], to: shapes[step.output])
        request.weights_element = element
        var accumulated: Placed?
        let primitive: Primitive
        var activation: (any PlanKernel)?
        if let chosen = try chosen(step, request) {
            (primitive, activation) = (chosen.convolution, chosen.activation)
            accumulated = try step.accumulated.map { try converted($0, to: primitive.destination, nil, step.name) }
        } else {
            accumulated = try step.accumulated.map { try float($0, step.name) }
            let source = try layout(step.input, ONEDNN_ANY, element)
            let destination = try accumulated?.layout ?? layout(step.output, ONEDNN_ANY, element)
            primitive = try convolution(step.name, &request, source, destination)
        }
        let source = try converted(step.input, to: primitive.source, nil, step.name)
        let layer = PackedWeights.Request(step: step, layout: primitive.weights!, sourceScale: 1)
        append(primitive, source, into: accumulated?.buffer, layer: layer, output: step.output)
        if let activation { appendInPlace(activation, step.output) }
    }

    /// One 3-D convolution, channels last; or a sum over temporal offsets, if that was chosen.
    private mutating func compileFrames(_ step: ConvolutionStep) throws {
        if let kernel = choice?.kernels[step.output], kernel.format == .blocked,
            let primitives = tapPrimitives(step, winograd: kernel.isWinograd)
        {
            return try compileTaps(step, primitives)
        }
        var request = step.request(batch: batch, from: shapes[step.input], to: shapes[step.output])
        request.weights_element = element
        let primitive = try convolution(
            step.name, &request, framesLayout(step.input, element), framesLayout(step.output, element))
        let plain = try layout(step.output, ONEDNN_CHANNELS_LAST, element)
        let source = try channelsLast(step.input, element, step.name)
        let accumulated = try step.accumulated.map { try converted($0, to: plain, nil, step.name) }
        let layer = PackedWeights.Request(step: step, layout: primitive.weights!, sourceScale: 1)
        append(primitive, source, into: accumulated?.buffer, layout: plain, layer: layer, output: step.output)
    }

    /// The chosen kernel; nil if none was chosen, or if this oneDNN lacks the measured one.
    private func chosen(_ step: ConvolutionStep, _ request: onednn_convolution_options) throws -> ActivatedConvolution?
    {
        guard let kernel = choice?.kernels[step.output] else { return nil }
        var request = request
        request.winograd = kernel.isWinograd
        let format = kernel.format.code
        let source = try layout(step.input, step.input == input ? ONEDNN_CHANNELS_LAST : format, element)
        return try? ActivatedConvolution(
            step.name, request, source, layout(step.output, format, element),
            separates: kernel.separatesActivation ?? request.separations(winograd: kernel.isWinograd)[0], context)
    }

    /// int8 sources and weights; the output too if its readers are int8.
    private mutating func compileInteger(_ step: ConvolutionStep, source qparams: QuantizationParameters) throws {
        var destination = storedQParams(step.output)
        var accumulated: Placed?
        if let value = step.accumulated {
            if destination != nil, let own = values[value]?.qparams ?? quantization?.qparams[value] {
                accumulated = try whole(value, own, step.name)
            } else {
                destination = nil
                accumulated = try float(value, step.name)
            }
        }
        // The GELU step quantises its own output.
        let after = step.activation == .gelu && accumulated == nil ? destination : nil
        if after != nil { destination = nil }
        let scales = try weights.scales(step, in: graph)
        var request = step.request(batch: batch, from: shapes[step.input], to: shapes[step.output])
        if after != nil { request.activation = ONEDNN_IDENTITY }
        request.weights_element = ONEDNN_S8
        request.source_scale = qparams.scale
        request.destination_scale = destination?.scale ?? 1
        request.source_zero_point = qparams.zeroPoint
        request.destination_zero_point = destination?.zeroPoint ?? 0
        request.accumulated_scale = accumulated?.qparams?.scale ?? 1
        request.accumulated_element = accumulated?.layout.element ?? ONEDNN_F32
        let overFrames = step.options.window.reachesOverFrames
        let plain = try layout(step.output, ONEDNN_CHANNELS_LAST, destination?.element ?? ONEDNN_F32)
        let from = try layout(step.input, ONEDNN_CHANNELS_LAST, qparams.element)
        let to = try overFrames ? framesLayout(step.output, plain.element) : plain
        let read = try overFrames ? framesLayout(step.input, qparams.element) : from
        let primitive = try scales.withUnsafeBufferPointer { scales in
            request.weights_scales = scales.baseAddress
            return try convolution(step.name, &request, read, to)
        }
        let source = try whole(step.input, qparams, step.name)
        let layer = PackedWeights.Request(step: step, layout: primitive.weights!, sourceScale: qparams.scale)
        append(
            primitive, source, into: accumulated?.buffer, layout: overFrames ? plain : primitive.destination,
            layer: layer, qparams: destination, output: step.output)
        if let after { try appendGELU(step, after) }
    }

    /// Applies GELU to the last step's output and quantises it.
    private mutating func appendGELU(_ step: ConvolutionStep, _ qparams: QuantizationParameters) throws {
        ignoreLast()
        let numbers = values[step.output]!
        let bytes = try layout(step.output, ONEDNN_CHANNELS_LAST, qparams.element)
        let kernel = CustomKernel.gelu(step.name + ".activation", count: bytes.bytes, qparams)
        append(kernel, numbers, layout: bytes, qparams: qparams, output: step.output)
        observeLast(bytes, step.output, qparams: qparams)
    }

    func convolution(
        _ name: String, _ request: inout onednn_convolution_options, _ source: Layout, _ destination: Layout
    ) throws -> Primitive {
        try Primitive(name) {
            onednn_convolution_create(context.handle, &request, source.handle, destination.handle, $0)
        }
    }
}
