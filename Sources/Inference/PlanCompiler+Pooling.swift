import COneDNN

extension PlanCompiler {
    mutating func compile(_ name: String, _ step: PoolingStep, input: Int, output: Int) throws {
        let (from, to) = (shapes[input], shapes[output])
        var window = onednn_window(step.window, batch: batch, from: from, to: to)
        let qparams = storedQParams(output)
        let source: Placed
        if let qparams {
            source = try whole(input, qparams, name)
        } else if to.pixels == 1 {
            // Global average pooling keeps more precision than int8 offers.
            source = try float(input, name, ONEDNN_F32)
        } else if let format = choice?.poolings[output] {
            source = try converted(input, to: layout(input, format.code, element), nil, name)
        } else {
            source = try float(input, name)
        }
        if step.window.reachesOverFrames {
            let element = source.layout.element
            let plain = try converted(input, to: layout(input, ONEDNN_CHANNELS_LAST, element), source.qparams, name)
            let frames = try framesLayout(input, element)
            let primitive = try Primitive(name) {
                onednn_pooling_create(context.handle, step.kind.code, &window, frames.handle, $0)
            }
            return append(
                primitive, plain, layout: try layout(output, ONEDNN_CHANNELS_LAST, element), qparams: qparams,
                output: output)
        }
        let primitive = try Primitive(name) {
            onednn_pooling_create(context.handle, step.kind.code, &window, source.layout.handle, $0)
        }
        append(primitive, source, qparams: qparams, output: output)
    }
}

extension PoolingStep.Kind {
    var code: onednn_pooling_kind {
        switch self {
        case .max: ONEDNN_MAX
        case .average(countsPadding: false): ONEDNN_AVERAGE_EXCLUDING_PADDING
        case .average(countsPadding: true): ONEDNN_AVERAGE_INCLUDING_PADDING
        }
    }
}
