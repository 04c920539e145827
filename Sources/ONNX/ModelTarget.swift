import Foundation
import ONNXMessages

extension ModelWriter {
    /// Which of the program's own operators, as `CONNXRuntime` has them, a model is made of.
    public enum OwnOperators: Int, Sendable, Comparable {
        /// Those for what would be several passes over memory.
        case passes
        /// Convolutions, linear layers and pooling too.
        case products
        /// Attention too.
        case attention

        /// Fewer before more.
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Who is to run a model.
    public enum Target: Sendable, Equatable {
        /// Any program: standard operators only, in `f32`.
        case anyone
        /// ONNX Runtime, computing with such numbers: its own operators, and so many of the program's.
        case onnxRuntime(Element, OwnOperators)

        /// What numbers are computed with.
        var element: Element {
            switch self {
            case .anyone: .float32
            case .onnxRuntime(let element, _): element
            }
        }

        /// Whether operations are joined into fewer and larger ones.
        var isFused: Bool { self != .anyone }

        /// Whether layers are the program's own operators.
        var hasProducts: Bool {
            if case .onnxRuntime(_, let operators) = self { return operators >= .products }
            return false
        }

        /// Whether attention is one too.
        var hasAttention: Bool {
            if case .onnxRuntime(_, let operators) = self { return operators >= .attention }
            return false
        }

        /// Whether the program's own operators stand for several passes over memory, and images lie with channels last, which
        /// ONNX Runtime's convolutions in `bf16` cannot do.
        var hasPasses: Bool { isFused && (element != .bfloat16 || hasProducts) }

        /// The standard's version; ONNX Runtime has convolutions in `bf16` since 22.
        var operatorSet: Int { element == .bfloat16 ? 22 : ModelWriter.operatorSet }

        var operatorSets: [OperatorSetIdProto] {
            var standard = OperatorSetIdProto()
            standard.version = Int64(operatorSet)
            guard isFused else { return [standard] }
            var own = OperatorSetIdProto()
            (own.domain, own.version) = (Self.domain, 1)
            var passes = OperatorSetIdProto()
            (passes.domain, passes.version) = (Self.passes, 1)
            return [standard, own, passes]
        }

        /// Of ONNX Runtime's own operators.
        static let domain = "com.microsoft"
        /// Of the program's own, which come with `ONNXRuntime`.
        static let passes = "zoetrope"
    }

    /// Operators that ONNX Runtime has no `bf16` kernel for on GPUs: they compute in `f32` in between.
    private static let wideOperators: Set<String> = [
        "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceL2", "Clip", "InstanceNormalization",
    ]

    /// One of ONNX Runtime's own operators.
    func fused(_ type: String, _ inputs: [Value], _ attributes: [Attribute] = [], name: String) -> Value {
        nodes(type, inputs, attributes, name: name, outputs: 1, domain: Target.domain)[0]
    }

    /// One of the program's own operators, of the type that the model computes with.
    func pass(
        _ type: String, _ inputs: [Value], _ attributes: [Attribute], name: String, outputs: Int
    ) -> [Value] {
        nodes("\(type)_\(target.element)", inputs, attributes, name: name, outputs: outputs, domain: Target.passes)
    }

    func cast(_ x: Value, to element: Element, name: String) -> Value {
        nodes("Cast", [x], [.integer("to", Int(element.code))], name: name, outputs: 1)[0]
    }

    /// One node with one output.
    ///
    /// - Parameter numbers: how many of the inputs, from the first, are numbers that the model computes with; nil for all.
    func node(
        _ type: String, _ inputs: [Value], _ attributes: [Attribute] = [], name: String, numbers: Int? = nil
    ) -> Value {
        guard target.element == .bfloat16, Self.wideOperators.contains(type) else {
            return nodes(type, inputs, attributes, name: name, outputs: 1)[0]
        }
        let count = numbers ?? inputs.count
        let wide = inputs.enumerated().map { index, input in
            index < count ? cast(input, to: .float32, name: "\(name).wide\(index)") : input
        }
        let result = nodes(type, wide, attributes, name: name + ".result", outputs: 1)[0]
        return cast(result, to: .bfloat16, name: name)
    }

    /// A reduction, whose axes became an input with set 18.
    func reduce(_ type: String, _ x: Value, axes: [Int], keeps: Bool, name: String) -> Value {
        let kept = keeps ? [] : [Attribute.integer("keepdims", 0)]
        if target.operatorSet < 18 { return node(type, [x], [.integers("axes", axes)] + kept, name: name) }
        return node(type, [x, integers(axes)], kept, name: name, numbers: 1)
    }

    /// Equal parts along an axis, whose number has to be said since set 18.
    func split(_ x: Value, axis: Int, into count: Int, name: String) -> [Value] {
        let parts = target.operatorSet < 18 ? [] : [Attribute.integer("num_outputs", count)]
        return nodes("Split", [x], [.integer("axis", axis)] + parts, name: name, outputs: count)
    }
}

extension ModelWriter.Element {
    /// The numbers as they are stored, rounded to the nearest where they are narrower.
    func bytes(_ values: [Float]) -> Data {
        switch self {
        case .float16:
            values.map { Float16(max(-65504, min(65504, $0))) }.withUnsafeBytes { Data($0) }
        case .bfloat16:
            values.map(Self.bfloat16).withUnsafeBytes { Data($0) }
        case .float32, .uint8, .bool: values.withUnsafeBytes { Data($0) }
        }
    }

    /// The upper half of the number's bits, ties to even.
    private static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
}

extension ModelWriter {
    /// Writes a model that turns one byte, `frames` `[1]`, into a number, `features` `[1]`: enough to try a device with.
    ///
    /// - Throws: `ExportError.notWritable`.
    public static func writeTrial(to path: String) throws {
        let model = try ModelWriter(path: path, weights: .f32, weightBytes: 0)
        let number = model.cast(model.input("frames", .uint8, [1]), to: .float32, name: "number")
        model.output("features", number, .float32, [1])
        try model.write(name: "trial", version: "", metadata: [:])
    }
}
