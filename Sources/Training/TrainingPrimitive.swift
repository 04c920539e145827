import COneDNN
import Inference

/// A oneDNN primitive for training, bound to new memory in each step.
final class TrainingPrimitive {
    private let primitive: Primitive
    private let context: Context

    init(_ name: String, _ context: Context, _ make: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws {
        primitive = try Primitive(name, make)
        self.context = context
    }

    /// The layout that the primitive needs, or nil if it has no such argument.
    func layout(_ argument: onednn_argument) -> Layout? {
        onednn_operation_layout(primitive.handle, argument).map(Layout.init(owning:))
    }

    func run(_ tensors: [(onednn_argument, UnsafeMutableRawPointer)]) throws {
        let buffers: [UnsafeMutableRawPointer?] = tensors.map(\.1)
        try check(
            onednn_operation_bind_arguments(
                primitive.handle, Int32(tensors.count), tensors.map(\.0), buffers,
                context.scratchpad(bytes: primitive.scratchpadBytes)),
            primitive.name)
        try primitive.execute(in: context)
    }
}

/// Reorders parameters between the published layout and a primitive's.
final class ParameterReorder {
    private let primitive: Primitive
    private let context: Context

    init(_ name: String, from: Layout, to: Layout, _ context: Context) throws {
        primitive = try Primitive(name) { onednn_reorder_create(context.handle, from.handle, to.handle, 1, $0) }
        self.context = context
    }

    func run(from source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer) throws {
        try primitive.run(from: source, to: destination, in: context)
    }
}
