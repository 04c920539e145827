import COneDNN

/// A convolution, and its activation as a step of its own where the kernel cannot end with it.
///
/// Winograd's kernels know ReLU alone. With another function afterwards, over what lies in the cache or comes from memory
/// again, they are still twice as fast as direct sums.
struct ActivatedConvolution {
    let convolution: Primitive
    /// In place, on what the convolution leaves.
    let activation: Primitive?

    init(
        _ name: String, _ request: onednn_convolution_options, _ source: Layout, _ destination: Layout,
        _ context: Context
    ) throws {
        var request = request
        let activation = request.activation
        let isSeparate = request.winograd && request.activatesBeyondWinograd
        if isSeparate { request.activation = ONEDNN_IDENTITY }
        convolution = try Primitive(name) {
            onednn_convolution_create(context.handle, &request, source.handle, destination.handle, $0)
        }
        self.activation = isSeparate ? try Primitive(name + ".activation", activation, destination, context) : nil
    }
}

extension Primitive {
    /// A function of every number.
    convenience init(_ name: String, _ activation: onednn_activation, _ layout: Layout, _ context: Context) throws {
        try self.init(name) { onednn_eltwise_create(context.handle, activation, layout.handle, $0) }
    }
}

extension onednn_convolution_options {
    /// Whether Winograd's kernels do not know its function.
    var activatesBeyondWinograd: Bool { activation != ONEDNN_IDENTITY && activation != ONEDNN_RELU }
}
