import COneDNN

/// A convolution, with its activation as a separate step if that is faster or if the kernel cannot fuse it.
///
/// Winograd kernels can fuse only ReLU. With another activation in a separate pass they are still twice as fast as
/// direct convolution. GELU is faster as a separate pass unless memory bandwidth limits it.
struct ActivatedConvolution {
    let convolution: Primitive
    /// Applied in place to the convolution's output.
    let activation: (any PlanKernel)?

    init(
        _ name: String, _ request: onednn_convolution_options, _ source: Layout, _ destination: Layout,
        separates: Bool, _ context: Context
    ) throws {
        var request = request
        let activation = request.activation
        if separates { request.activation = ONEDNN_IDENTITY }
        convolution = try Primitive(name) {
            onednn_convolution_create(context.handle, &request, source.handle, destination.handle, $0)
        }
        self.activation = separates ? try Self.step(name + ".activation", activation, destination, context) : nil
    }

    private static func step(
        _ name: String, _ activation: onednn_activation, _ layout: Layout, _ context: Context
    ) throws -> any PlanKernel {
        if activation == ONEDNN_GELU, layout.element == ONEDNN_F32 {
            return CustomKernel.gelu(name, count: layout.bytes / ONEDNN_F32.bytes, nil)
        }
        return try Primitive(name, activation, layout, context)
    }
}

extension Primitive {
    convenience init(_ name: String, _ activation: onednn_activation, _ layout: Layout, _ context: Context) throws {
        try self.init(name) { onednn_eltwise_create(context.handle, activation, layout.handle, $0) }
    }
}

extension onednn_convolution_options {
    /// Whether the activation may, or must, be a separate step.
    func separations(winograd: Bool) -> [Bool] {
        if activation == ONEDNN_IDENTITY || activation == ONEDNN_RELU { return [false] }
        if winograd { return [true] }
        return activation == ONEDNN_GELU && weights_element == ONEDNN_F32 ? [false, true] : [false]
    }
}
