import Foundation

/// Reads the part of Python's pickle format that `torch.save` needs for tensors in dictionaries, and
/// refuses everything else by name. It never runs code: a callable is only ever one of a few known names.
///
/// Values are copied, never shared, so no pickle can make a cycle; depth and size are bounded.
struct Unpickler {
    struct Refusal: Error {
        let reason: String

        static let cutOff = Refusal(reason: "its pickle ends too early")
    }

    private static let maximumDepth = 64
    private static let maximumOperations = 5_000_000
    /// The most elements that are copied because a list or dictionary that is kept under a number changes.
    private static let maximumCopies = 50_000_000

    private let data: Data
    /// Bytes read so far, from the start of `data`.
    private(set) var position: Int
    /// A value with the depth of its nesting, and whether `memo` keeps it too.
    private typealias Entry = (value: Value, depth: Int, isShared: Bool)

    private var stack: [Entry] = []
    private var marks: [Int] = []
    private var memo: [Int: Entry] = [:]
    private var copies = 0

    /// Reads one pickle that begins at `position`.
    init(_ data: Data, at position: Int = 0) {
        self.data = data
        self.position = position
    }

    /// - Throws: `Refusal`.
    mutating func load() throws -> Value {
        for _ in 0..<Self.maximumOperations {
            let code = try byte()
            if code == UInt8(ascii: ".") { return try pop().value }
            try execute(code)
        }
        throw Refusal(reason: "its pickle has too many operations")
    }

    // MARK: - Operations

    private mutating func execute(_ code: UInt8) throws {
        switch code {
        case 0x80: position += 1  // PROTO
        case 0x95: position += 8  // FRAME
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "K"): push(.integer(Int(try byte())))
        case UInt8(ascii: "M"): push(.integer(try integer(2)))
        case UInt8(ascii: "J"): push(.integer(Int(Int32(truncatingIfNeeded: try integer(4)))))
        case 0x8A: push(try long(count: Int(try byte())))
        case UInt8(ascii: "G"):
            push(.float(Double(bitPattern: try bytes(8).reduce(0) { $0 << 8 | UInt64($1) })))
        case UInt8(ascii: "X"): push(.text(try text(count: integer(4))))
        case 0x8C: push(.text(try text(count: Int(byte()))))
        case UInt8(ascii: "U"): push(.text(try text(count: Int(byte()))))
        case UInt8(ascii: "T"): push(.text(try text(count: integer(4))))
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: ")"): push(.tuple([]))
        case UInt8(ascii: "t"): try pushCollection(try popMark()) { .tuple($0) }
        case 0x85...0x87: try pushTuple(count: Int(code) - 0x84)
        case UInt8(ascii: "a"), UInt8(ascii: "e"): try append(isMany: code == UInt8(ascii: "e"))
        case UInt8(ascii: "s"), UInt8(ascii: "u"): try setItems(isMany: code == UInt8(ascii: "u"))
        case UInt8(ascii: "q"): try keep(Int(try byte()))
        case UInt8(ascii: "r"): try keep(try integer(4))
        case 0x94: try keep(memo.count)
        case UInt8(ascii: "h"): try get(Int(try byte()))
        case UInt8(ascii: "j"): try get(try integer(4))
        case UInt8(ascii: "c"): push(try global(module: line(), name: line()))
        case 0x93:
            guard case .text(let name) = try pop().value, case .text(let module) = try pop().value else {
                throw Refusal(reason: "its pickle is damaged")
            }
            push(try global(module: module, name: name))
        case UInt8(ascii: "Q"): push(.storage(try storage(try pop().value)))
        case UInt8(ascii: "R"): try reduce()
        case UInt8(ascii: "b"): try build()
        default:
            throw Refusal(
                reason: String(format: "its pickle has the operation 0x%02x, which tensors do not need", code))
        }
    }

    private mutating func pushTuple(count: Int) throws {
        guard stack.count - (marks.last ?? 0) >= count else { throw Refusal(reason: "its pickle is damaged") }
        let items = Array(stack.suffix(count))
        stack.removeLast(count)
        try pushCollection(items) { .tuple($0) }
    }

    private mutating func pushCollection(_ items: [Entry], _ make: ([Value]) -> Value) throws {
        try push(make(items.map(\.value)), over: items.map(\.depth).max() ?? 0)
    }

    private mutating func append(isMany: Bool) throws {
        let items = isMany ? try popMark() : [try pop()]
        var container = try pop()
        guard case .list(var list) = container.value else { throw Refusal(reason: "its pickle is damaged") }
        // The last owner but `memo`: the list grows in place.
        container.value = .none
        try chargeCopy(of: list.count, container)
        list += items.map(\.value)
        try push(.list(list), over: max(container.depth - 1, items.map(\.depth).max() ?? 0))
    }

    private mutating func setItems(isMany: Bool) throws {
        var items = isMany ? try popMark() : []
        if !isMany {
            let value = try pop()
            items = [try pop(), value]
        }
        var container = try pop()
        guard case .dictionary(var dictionary) = container.value, items.count % 2 == 0 else {
            throw Refusal(reason: "its pickle is damaged")
        }
        container.value = .none
        try chargeCopy(of: dictionary.count, container)
        for index in stride(from: 0, to: items.count, by: 2) {
            dictionary.append((items[index].value, items[index + 1].value))
        }
        try push(.dictionary(dictionary), over: max(container.depth - 1, items.map(\.depth).max() ?? 0))
    }

    private mutating func keep(_ index: Int) throws {
        guard !stack.isEmpty else { throw Refusal(reason: "its pickle is damaged") }
        stack[stack.count - 1].isShared = true
        memo[index] = stack[stack.count - 1]
    }

    private mutating func chargeCopy(of count: Int, _ container: Entry) throws {
        guard container.isShared else { return }
        copies += count
        if copies > Self.maximumCopies { throw Refusal(reason: "its pickle copies too much") }
    }

    private mutating func get(_ index: Int) throws {
        guard let known = memo[index] else { throw Refusal(reason: "its pickle is damaged") }
        stack.append(known)
    }

    // MARK: - The few callables

    private func global(module: String, name: String) throws -> Value {
        let full = "\(module).\(name)"
        let known = [
            "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
            "torch.Size",
        ]
        guard known.contains(full) || Self.storageTypes[full] != nil else {
            throw Refusal(reason: "it wants to call \(full), which is no part of a tensor; such a file may run code")
        }
        return .global(full)
    }

    private static let storageTypes: [String: ElementType] = [
        "torch.FloatStorage": .float32, "torch.DoubleStorage": .float64, "torch.HalfStorage": .float16,
        "torch.BFloat16Storage": .bfloat16, "torch.LongStorage": .int64, "torch.IntStorage": .int32,
        "torch.ShortStorage": .int16, "torch.CharStorage": .int8, "torch.ByteStorage": .uint8,
        "torch.BoolStorage": .uint8,
    ]

    /// `('storage', type, key, location, count, …)`.
    private func storage(_ identifier: Value) throws -> StorageReference {
        guard case .tuple(let parts) = identifier, parts.count >= 5, case .text("storage") = parts[0],
            case .global(let name) = parts[1], let type = Self.storageTypes[name], case .text(let key) = parts[2],
            case .integer(let count) = parts[4], count >= 0, count <= 1 << 40
        else { throw Refusal(reason: "it refers to a storage in an unknown way") }
        if parts.count > 5, case .tuple = parts[5] { throw Refusal(reason: "it holds views of storages") }
        return StorageReference(key: key, type: type, count: count)
    }

    private mutating func reduce() throws {
        let arguments = try pop()
        guard case .tuple(let values) = arguments.value, case .global(let name) = try pop().value else {
            throw Refusal(reason: "its pickle is damaged")
        }
        switch name {
        case "collections.OrderedDict" where values.isEmpty: push(.dictionary([]))
        case "torch.Size" where values.count == 1: try push(values[0], over: arguments.depth)
        case "torch._utils._rebuild_parameter" where !values.isEmpty: try push(values[0], over: arguments.depth)
        case "torch._utils._rebuild_tensor_v2" where values.count >= 4: push(.tensor(try tensor(values)))
        default: throw Refusal(reason: "it calls \(name) in an unknown way")
        }
    }

    private func tensor(_ values: [Value]) throws -> TensorReference {
        func integers(_ value: Value) -> [Int]? {
            guard case .tuple(let items) = value, items.count <= ShapeLimits.rank else { return nil }
            let numbers = items.compactMap { if case .integer(let number) = $0, number >= 0 { number } else { nil } }
            return numbers.count == items.count ? numbers : nil
        }
        guard case .storage(let storage) = values[0], case .integer(let offset) = values[1], offset >= 0,
            let shape = integers(values[2]), let strides = integers(values[3]), shape.count == strides.count
        else { throw Refusal(reason: "it describes a tensor in an unknown way") }
        // The last number the view reaches must lie in the storage; no product may overflow on the way.
        var last = offset
        guard let count = ShapeLimits.elements(of: shape) else {
            throw Refusal(reason: "it describes an impossible tensor")
        }
        for (length, stride) in zip(shape, strides) {
            let (reach, overflow) = max(0, length - 1).multipliedReportingOverflow(by: stride)
            let (sum, sumOverflow) = last.addingReportingOverflow(reach)
            guard !overflow, !sumOverflow else { throw Refusal(reason: "it describes an impossible tensor") }
            last = sum
        }
        guard count == 0 || last < storage.count, count <= max(storage.count, 1) else {
            throw Refusal(reason: "a tensor of shape \(shape) does not fit its storage of \(storage.count) numbers")
        }
        return TensorReference(storage: storage, offset: offset, shape: shape, strides: strides)
    }

    /// `OrderedDict` carries attributes (torch's `_metadata`) that no tensor depends on.
    private mutating func build() throws {
        _ = try pop()
        guard case .dictionary = try top().value else { throw Refusal(reason: "it sets attributes of an object") }
    }

    // MARK: - Stack and bytes

    private mutating func push(_ value: Value) { stack.append((value, 0, false)) }

    private mutating func push(_ value: Value, over depth: Int) throws {
        guard depth < Self.maximumDepth else { throw Refusal(reason: "its pickle is nested too deeply") }
        stack.append((value, depth + 1, false))
    }

    private mutating func pop() throws -> Entry {
        guard stack.count > marks.last ?? 0 else { throw Refusal(reason: "its pickle is damaged") }
        return stack.removeLast()
    }

    private func top() throws -> Entry {
        guard let last = stack.last else { throw Refusal(reason: "its pickle is damaged") }
        return last
    }

    private mutating func popMark() throws -> [Entry] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw Refusal(reason: "its pickle is damaged") }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private mutating func byte() throws -> UInt8 { try bytes(1).first ?? 0 }

    private mutating func bytes(_ count: Int) throws -> Data {
        guard count >= 0, position >= 0, position <= data.count, count <= data.count - position else {
            throw Refusal.cutOff
        }
        defer { position += count }
        return data[data.startIndex + position..<data.startIndex + position + count]
    }

    private mutating func integer(_ count: Int) throws -> Int {
        try bytes(count).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private mutating func long(count: Int) throws -> Value {
        let digits = try bytes(count)
        guard count <= 8 else { return .bytes(Data(digits)) }
        let bits = digits.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let unused = UInt64(64 - 8 * count)
        return .integer(count == 0 ? 0 : Int(Int64(bitPattern: bits << unused) >> Int64(unused)))
    }

    private mutating func text(count: Int) throws -> String { String(decoding: try bytes(count), as: UTF8.self) }

    private mutating func line() throws -> String {
        var characters: [UInt8] = []
        while true {
            let next = try byte()
            if next == UInt8(ascii: "\n") { return String(decoding: characters, as: UTF8.self) }
            characters.append(next)
        }
    }
}
