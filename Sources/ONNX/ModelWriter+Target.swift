import Foundation
import ONNXMessages

extension ModelWriter {
    /// Which of this program's operators (`CONNXRuntime`) a model uses.
    package enum CustomOperators: Int, Sendable, Comparable {
        /// Those that replace several passes over memory.
        case passes
        /// Convolutions, linear layers and pooling too.
        case products
        case attention

        package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    package enum Target: Sendable, Equatable {
        /// Any runtime: standard operators only, in `f32`.
        case anyone
        /// ONNX Runtime with an element type: its contrib operators, and some of this program's.
        case onnxRuntime(Element, CustomOperators)

        var element: Element {
            switch self {
            case .anyone: .float32
            case .onnxRuntime(let element, _): element
            }
        }

        var isFused: Bool { self != .anyone }

        var hasProducts: Bool {
            if case .onnxRuntime(_, let operators) = self { return operators >= .products }
            return false
        }

        var hasAttention: Bool {
            if case .onnxRuntime(_, let operators) = self { return operators >= .attention }
            return false
        }

        /// Whether this program's operators replace several passes over memory and images are channels last, which ONNX
        /// Runtime's `bf16` convolutions do not support.
        var hasPasses: Bool { isFused && (element != .bfloat16 || hasProducts) }

        /// The operator set; ONNX Runtime has `bf16` convolutions since 22.
        var operatorSet: Int { element == .bfloat16 ? 22 : ModelWriter.operatorSet }

        var operatorSets: [OperatorSetIdProto] {
            let own = isFused ? [Self.domain, Self.passes] : []
            return [.init(version: operatorSet)] + own.map { .init(domain: $0, version: 1) }
        }

        /// Of ONNX Runtime's contrib operators.
        static let domain = "com.microsoft"
        /// Of this program's operators, which `ONNXRuntime` registers.
        static let passes = "zoetrope"
    }

    /// Operators without a `bf16` GPU kernel in ONNX Runtime: they compute in `f32` with casts around them.
    private static let wideOperators: Set<String> = [
        "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceL2", "Clip", "InstanceNormalization",
    ]

    /// One of ONNX Runtime's contrib operators.
    func fused(_ type: String, _ inputs: [Value], _ attributes: [Attribute] = [], name: String) -> Value {
        nodes(type, inputs, attributes, name: name, outputs: 1, domain: Target.domain)[0]
    }

    /// One of this program's operators, in the model's element type.
    func pass(_ type: String, _ inputs: [Value], _ attributes: [Attribute], name: String, outputs: Int) -> [Value] {
        nodes("\(type)_\(target.element)", inputs, attributes, name: name, outputs: outputs, domain: Target.passes)
    }

    func cast(_ x: Value, to element: Element, name: String) -> Value {
        nodes("Cast", [x], [.integer("to", Int(element.rawValue))], name: name, outputs: 1)[0]
    }

    /// One node with one output. `numbers`: how many of the first inputs have the model's element type; nil for all.
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

    /// A reduction, whose axes are an input since operator set 18.
    func reduce(_ type: String, _ x: Value, axes: [Int], keeps: Bool, name: String) -> Value {
        let kept = keeps ? [] : [Attribute.integer("keepdims", 0)]
        if target.operatorSet < 18 { return node(type, [x], [.integers("axes", axes)] + kept, name: name) }
        return node(type, [x, integers(axes)], kept, name: name, numbers: 1)
    }

    /// Splits into equal parts along an axis, whose number must be stated since operator set 18.
    func split(_ x: Value, axis: Int, into count: Int, name: String) -> [Value] {
        let parts = target.operatorSet < 18 ? [] : [Attribute.integer("num_outputs", count)]
        return nodes("Split", [x], [.integer("axis", axis)] + parts, name: name, outputs: count)
    }
}

extension ModelWriter.Element {
    /// The stored bytes, rounded to nearest if the type is narrower.
    func bytes(_ values: [Float]) -> Data {
        switch self {
        case .float16: values.map { Float16(max(-65504, min(65504, $0))) }.withUnsafeBytes { Data($0) }
        case .bfloat16: values.map(Self.bfloat16).withUnsafeBytes { Data($0) }
        default: values.withUnsafeBytes { Data($0) }
        }
    }

    /// Rounds to the upper half of the float's bits, ties to even.
    private static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
}

extension ModelWriter {
    /// Writes a model that converts one byte, `frames` `[1]`, to a float, `features` `[1]`, to test a device.
    package static func writeTrial(to path: String) throws {
        let model = try ModelWriter(path: path, weights: .f32, weightBytes: 0)
        let number = model.cast(model.input("frames", .uint8, [1]), to: .float32, name: "number")
        model.output("features", number, .float32, [1])
        try model.write(name: "trial", version: "", metadata: [:])
    }
}
