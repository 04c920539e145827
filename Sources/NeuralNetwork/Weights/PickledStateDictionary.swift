/// The named tensors of a pickle. Keys of nested dictionaries are joined with dots, as PyTorch names the tensors of
/// nested modules: `{"state_dict": {"conv.weight": …}}` gives `state_dict.conv.weight`.
struct PickledStateDictionary {
    private(set) var tensors: [String: PickledValue.TensorReference] = [:], notes: [String] = []

    private static let maximumDepth = 32
    private static let maximumTensors = 100_000

    private let objects: PickledObjects
    /// Indices into `objects` that were visited, so that shared dictionaries are named once.
    private var seen: Set<Int> = []
    private var complex: [String] = []
    /// Names of tensors without plain elements, by the function with which PyTorch rebuilds them.
    private var special: [SpecialTensor: [String]] = [:]
    private var modules: [(path: [String], kind: String)] = []

    /// - Throws: `WeightsError.foreign` for a pickled module, `.malformed` if there are no named tensors.
    init(_ objects: PickledObjects, path: String) throws {
        self.objects = objects
        try walk(objects.root, [], path)
        if tensors.isEmpty, let module = modules.first {
            let keys = module.path.map { "[\"\($0)\"]" }.joined()
            throw WeightsError.foreign(
                file: path, found: "a pickled module (\(module.kind)), which can only be loaded with its Python source",
                remedy: WeightsError.python(
                    "torch.save(torch.load(\(WeightsError.quoted(path)), map_location=\"cpu\", weights_only=False)"
                        + "\(keys).state_dict(), \"state.pth\")")
                    + " This runs code of the file: do it only if you trust its author")
        }
        if tensors.isEmpty, let (kind, names) = special.first {
            throw WeightsError.foreign(
                file: path, found: "a checkpoint of \(kind.counted(names.count)), which cannot be read",
                remedy: kind.remedy(names.count))
        }
        guard !tensors.isEmpty else {
            throw WeightsError.malformed(
                file: path, reason: "it holds no dictionary of tensors; save `model.state_dict()` with torch.save")
        }
        setNotes()
    }

    private mutating func walk(_ value: PickledValue, _ names: [String], _ path: String) throws {
        if case .tensor(let tensor) = value {
            let name = names.joined(separator: ".")
            if tensor.type.isComplex { complex.append(name) } else if !names.isEmpty { tensors[name] = tensor }
            return
        }
        guard case .object(let place) = value, let object = objects.object(value), names.count < Self.maximumDepth,
            seen.insert(place).inserted
        else { return }
        guard tensors.count <= Self.maximumTensors else {
            throw WeightsError.malformed(
                file: path, reason: "it holds more than \(Self.maximumTensors) tensors with names")
        }
        if let kind = SpecialTensor(function: object.kind) {
            special[kind, default: []].append(names.joined(separator: "."))
            return
        }
        if isModule(object) { return modules.append((names, object.kind)) }
        for pair in object.pairs { if case .text(let key) = pair.key { try walk(pair.value, names + [key], path) } }
        guard ["list", "tuple"].contains(object.kind) else { return }
        for (index, element) in object.elements.enumerated() { try walk(element, names + ["\(index)"], path) }
    }

    /// Whether it is a `torch.nn.Module`: its attributes include the dictionaries that all modules have.
    private func isModule(_ object: PickledObject) -> Bool {
        guard let state = objects.object(object.state) else { return false }
        let keys = state.pairs.compactMap { if case .text(let key) = $0.key { key } else { nil } }
        return keys.contains("_modules") && keys.contains("_parameters")
    }

    private mutating func setNotes() {
        // Types that only hold values, or that any torch checkpoint may contain.
        let plain = ["dict", "list", "tuple", "set", "_codecs.encode"]
        let isPlain = { (kind: String) in
            plain.contains(kind) || ["collections.", "builtins.", "__builtin__."].contains { kind.hasPrefix($0) }
                || SpecialTensor(function: kind) != nil
                || kind.hasPrefix("torch.") && !kind.hasPrefix("torch._utils._rebuild") && !kind.hasPrefix("torch.nn.")
        }
        // A dictionary subclass that was visited has lost nothing.
        let skipped = objects.all.enumerated().filter { !seen.contains($0.offset) || $0.element.pairs.isEmpty }
        let kinds = Set(skipped.map(\.element.kind).filter { !isPlain($0) }).sorted()
        if !kinds.isEmpty {
            notes.append("it also holds objects of \(Self.first(kinds)), which are skipped: only tensors are read")
        }
        for (kind, names) in special.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            notes.append(
                "its \(kind.counted(names.count)) (\(Self.first(names.sorted()))) \(names.count == 1 ? "is" : "are") "
                    + "not read. "
                    + kind.remedy(names.count))
        }
        if !complex.isEmpty { notes.append("its complex tensors (\(Self.first(complex.sorted()))) are skipped") }
    }

    private static func first(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    }
}

/// Kinds of tensors that PyTorch saves without plain elements.
private enum SpecialTensor: String {
    case sparse, quantised, meta, nested

    init?(function: String) {
        switch function {
        case "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_sparse_csr_tensor": self = .sparse
        case "torch._utils._rebuild_qtensor": self = .quantised
        case "torch._utils._rebuild_meta_tensor_no_storage": self = .meta
        case "torch._utils._rebuild_nested_tensor": self = .nested
        default: return nil
        }
    }

    func counted(_ count: Int) -> String { "\(count) \(rawValue) \(count == 1 ? "tensor" : "tensors")" }

    func remedy(_ count: Int) -> String {
        let them = count == 1 ? "it" : "them"
        return switch self {
        case .sparse: "Save \(them) dense: `tensor.to_dense()`"
        case .quantised: "Save \(them) dequantised: `tensor.dequantize()`"
        case .meta:
            "\(count == 1 ? "It has a shape" : "They have shapes"), but no values: load the model's weights before "
                + "saving it"
        case .nested: "Save \(them) as separate tensors: `tensor.unbind()`"
        }
    }
}
