/// The functions of torch with which pickles describe tensors (`torch/_utils.py`).
enum PickledTensor {
    typealias Value = PickledValue

    /// Returns the value that a torch function describes, or nil for other functions and classes, which are never
    /// called. Throws `Unpickler.Refusal` if it describes an impossible tensor.
    static func build(_ name: String, _ arguments: [Value], _ objects: PickledObjects) throws -> Value? {
        switch name {
        case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor":
            guard arguments.count >= 4 else { throw unknown }
            return try tensor(arguments, type: nil, objects)
        case "torch._utils._rebuild_tensor_v3":
            guard arguments.count >= 7, case .global(let dtype) = arguments[6] else { throw unknown }
            // An unsupported element type is ignored like any other object.
            guard let type = types[dtype] else { return nil }
            return try tensor(arguments, type: type, objects)
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
            "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer":
            guard let data = arguments.first, case .tensor = data else { return nil }
            return data
        case "torch._tensor._rebuild_from_type_v2":
            // (function, type, its arguments, state): a subclass of Tensor, or a tensor with attributes.
            guard arguments.count >= 3, case .global(let function) = arguments[0], function != name,
                let inner = objects.elements(arguments[2])
            else { return nil }
            return try build(function, inner, objects)
        default: return nil
        }
    }

    private static let unknown = Unpickler.Refusal(reason: "it describes a tensor in an unknown format")

    /// By storage class, and by dtype for untyped storages.
    private static let types: [String: ElementType] = {
        let storages: [(String, ElementType)] = [
            ("Float", .float32), ("Double", .float64), ("Half", .float16), ("BFloat16", .bfloat16), ("Long", .int64),
            ("Int", .int32), ("Short", .int16), ("Char", .int8), ("Byte", .uint8), ("Bool", .uint8),
            ("ComplexFloat", .complex64), ("ComplexDouble", .complex128),
        ]
        var result: [String: ElementType] = [
            "torch.float8_e4m3fn": .float8e4m3fn, "torch.float8_e5m2": .float8e5m2, "torch.uint16": .uint16,
            "torch.uint32": .uint32, "torch.uint64": .uint64, "torch.float32": .float32, "torch.float64": .float64,
            "torch.float16": .float16, "torch.bfloat16": .bfloat16, "torch.int64": .int64, "torch.int32": .int32,
            "torch.int16": .int16, "torch.int8": .int8, "torch.uint8": .uint8, "torch.bool": .uint8,
        ]
        for (name, type) in storages {
            result["torch.\(name)Storage"] = type
            result["torch.cuda.\(name)Storage"] = type
        }
        return result
    }()

    /// `('storage', class, key, location, count, …)`; the count of an untyped storage is in bytes.
    static func storage(_ parts: [Value]) throws -> Value.StorageReference {
        guard parts.count >= 5, case .text("storage") = parts[0], case .global(let name) = parts[1],
            case .text(let key) = parts[2], case .integer(let count) = parts[4], count >= 0, count <= 1 << 40
        else { throw Unpickler.Refusal(reason: "it refers to a storage in an unknown format") }
        if parts.count > 5, case .object = parts[5] {
            throw Unpickler.Refusal(reason: "it holds views of storages, as PyTorch before 0.4 wrote them")
        }
        let type = types[name]
        guard type != nil || name.hasSuffix("Storage") else {
            throw Unpickler.Refusal(reason: "it has a storage of the unknown type \(name)")
        }
        // Quantised storages have an unsupported type; they take at least one byte per element.
        return .init(key: key, type: type, bytes: count * (type?.bytes ?? 1))
    }

    private static func integers(_ value: Value, _ objects: PickledObjects) -> [Int]? {
        guard let items = objects.elements(value), items.count <= ShapeLimits.rank else { return nil }
        // `torch.Size` wraps a tuple.
        if items.count == 1, case .object = items[0] { return integers(items[0], objects) }
        let numbers = items.compactMap { if case .integer(let number) = $0, number >= 0 { number } else { nil } }
        return numbers.count == items.count ? numbers : nil
    }

    private static func tensor(
        _ values: [Value], type wanted: ElementType?, _ objects: PickledObjects
    ) throws -> Value? {
        guard case .storage(let storage) = values[0], case .integer(let offset) = values[1], offset >= 0,
            let shape = integers(values[2], objects), let strides = integers(values[3], objects),
            shape.count == strides.count
        else { throw unknown }
        guard let type = wanted ?? storage.type else { return nil }
        // The last element of the view must lie in the storage, and no product may overflow.
        let impossible = Unpickler.Refusal(reason: "it describes an invalid tensor")
        guard let count = ShapeLimits.elements(of: shape) else { throw impossible }
        var last = offset
        for (length, stride) in zip(shape, strides) {
            let (reach, overflow) = max(0, length - 1).multipliedReportingOverflow(by: stride)
            let (sum, sumOverflow) = last.addingReportingOverflow(reach)
            guard !overflow, !sumOverflow else { throw impossible }
            last = sum
        }
        let stored = storage.bytes / type.bytes
        // A stride of 0 repeats elements (`expand`); the result may be no larger than this storage could hold.
        guard count == 0 || last < stored, count <= max(stored, 1) || count <= maximumRepeated else {
            throw Unpickler.Refusal(reason: "a tensor of shape \(shape) does not fit its storage of \(stored) elements")
        }
        return .tensor(.init(storage: storage, type: type, offset: offset, shape: shape, strides: strides))
    }

    /// Maximum elements of a tensor that repeats the elements of its storage.
    private static let maximumRepeated = 1 << 16
}
