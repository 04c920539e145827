import Foundation

/// Parses Python pickles of protocols 0 to 5 into `PickledObjects`. Nothing is executed: a class or function is a name,
/// and the arguments of its call are kept as `PickledObject`. Only torch's functions that describe tensors are
/// interpreted (`PickledTensor`). The numbers of operations and objects are bounded, and containers are shared, so that
/// no pickle expands beyond its own size.
struct Unpickler {
    struct Refusal: Error {
        let reason: String

        static let cutOff = Refusal(reason: "its pickle ends too early")
        static let damaged = Refusal(reason: "its pickle is damaged")
    }

    private static let maximumOperations = 5_000_000
    private static let maximumObjects = 1_000_000

    private let data: Data
    private(set) var position: Int
    private(set) var objects = PickledObjects()
    private var stack: [PickledValue] = [], marks: [Int] = [], memo: [Int: PickledValue] = [:]

    init(_ data: Data, at position: Int = 0) { (self.data, self.position) = (data, position) }

    mutating func load() throws -> PickledObjects {
        for _ in 0..<Self.maximumOperations {
            let code = try byte()
            if code == UInt8(ascii: ".") {
                objects.root = try pop()
                return objects
            }
            guard try executeConstant(code) || executeContainer(code) || executeStack(code) || executeObject(code)
            else { throw Refusal(reason: "its pickle has the unknown operation 0x\(String(code, radix: 16))") }
        }
        throw Refusal(reason: "its pickle has more than \(Self.maximumOperations) operations")
    }

    // MARK: - Operations, by kind; false for those of another kind

    private mutating func executeConstant(_ code: UInt8) throws -> Bool {
        switch code {
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "K"): push(.integer(Int(try byte())))
        case UInt8(ascii: "M"): push(.integer(try count(2)))
        case UInt8(ascii: "J"): push(.integer(Int(Int32(truncatingIfNeeded: try count(4)))))
        case UInt8(ascii: "I"): push(Self.decimal(try line()))
        case UInt8(ascii: "L"): push(Self.decimal(try line().replacing("L", with: "")))
        case UInt8(ascii: "F"): push(.float(Double(try line()) ?? .nan))
        case UInt8(ascii: "G"): push(.float(Double(bitPattern: try bytes(8).reduce(0) { $0 << 8 | UInt64($1) })))
        case 0x8A: push(try long(try count(1)))
        case 0x8B: push(try long(try count(4)))
        case UInt8(ascii: "S"), UInt8(ascii: "V"): push(.text(Self.unquoted(try line())))
        case UInt8(ascii: "U"), 0x8C: push(.text(try text(try count(1))))
        case UInt8(ascii: "T"), UInt8(ascii: "X"): push(.text(try text(try count(4))))
        case 0x8D: push(.text(try text(try count(8))))
        case UInt8(ascii: "C"): push(.bytes(try bytes(try count(1))))
        case UInt8(ascii: "B"): push(.bytes(try bytes(try count(4))))
        case 0x8E, 0x96: push(.bytes(try bytes(try count(8))))
        default: return false
        }
        return true
    }

    private mutating func executeContainer(_ code: UInt8) throws -> Bool {
        switch code {
        case UInt8(ascii: "}"): try make(PickledObject(kind: "dict"))
        case UInt8(ascii: "]"): try make(PickledObject(kind: "list"))
        case UInt8(ascii: ")"): try make(PickledObject(kind: "tuple"))
        case 0x8F: try make(PickledObject(kind: "set"))
        case UInt8(ascii: "d"): try make(PickledObject(kind: "dict", pairs: Self.pairs(try popMark())))
        case UInt8(ascii: "l"): try make(PickledObject(kind: "list", elements: try popMark()))
        case UInt8(ascii: "t"): try make(PickledObject(kind: "tuple", elements: try popMark()))
        case 0x91: try make(PickledObject(kind: "set", elements: try popMark()))
        case 0x85...0x87: try make(PickledObject(kind: "tuple", elements: try pop(Int(code) - 0x84)))
        case UInt8(ascii: "a"): try change([try pop()]) { $0.elements += $1 }
        case UInt8(ascii: "e"), 0x90: try change(try popMark()) { $0.elements += $1 }
        case UInt8(ascii: "s"): try change(try pop(2)) { $0.pairs += try Self.pairs($1) }
        case UInt8(ascii: "u"): try change(try popMark()) { $0.pairs += try Self.pairs($1) }
        default: return false
        }
        return true
    }

    private mutating func executeStack(_ code: UInt8) throws -> Bool {
        switch code {
        case 0x80: _ = try byte()  // PROTO
        case 0x95: _ = try bytes(8)  // FRAME
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
        case UInt8(ascii: "1"): _ = try popMark()
        case UInt8(ascii: "2"): push(try top())
        case UInt8(ascii: "q"): memo[try count(1)] = try top()
        case UInt8(ascii: "r"): memo[try count(4)] = try top()
        case UInt8(ascii: "p"): memo[try number()] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try get(try count(1))
        case UInt8(ascii: "j"): try get(try count(4))
        case UInt8(ascii: "g"): try get(try number())
        default: return false
        }
        return true
    }

    private mutating func executeObject(_ code: UInt8) throws -> Bool {
        switch code {
        case UInt8(ascii: "c"): push(.global(try Self.global(line(), line())))
        case 0x93:
            guard case .text(let name) = try pop(), case .text(let module) = try pop() else { throw Refusal.damaged }
            push(.global(try Self.global(module, name)))
        case UInt8(ascii: "Q"): push(.storage(try storage(try pop())))
        case UInt8(ascii: "R"), 0x81:
            let arguments = try pop()
            try call(try pop(), arguments)
        case 0x92:
            _ = try pop()
            let arguments = try pop()
            try call(try pop(), arguments)
        case UInt8(ascii: "o"):
            var items = try popMark()
            guard !items.isEmpty else { throw Refusal.damaged }
            let callee = items.removeFirst()
            try make(PickledObject(kind: Self.kind(callee), elements: items))
        case UInt8(ascii: "i"):
            let kind = try Self.global(line(), line())
            try make(PickledObject(kind: kind, elements: try popMark()))
        case UInt8(ascii: "b"):
            let state = try pop()
            // torch stores attributes of tensors and storages, on which no element depends.
            if case .object(let place) = try top() { objects.all[place].state = state }
        default: return false
        }
        return true
    }

    // MARK: - Objects

    /// Names that hostile pickles call and no checkpoint needs; they are never called here, but the user is warned.
    private static func global(_ module: String, _ name: String) throws -> String {
        let full = "\(module).\(name)"
        let processes = ["os", "posix", "nt", "subprocess", "pty", "socket", "runpy", "importlib", "shutil", "ctypes"]
        let functions = ["eval", "exec", "compile", "open", "__import__", "input", "breakpoint"]
        let isBuiltin = ["builtins", "__builtin__"].contains(module)
        let first = module.split(separator: ".").first.map(String.init) ?? module
        if processes.contains(first) || isBuiltin && functions.contains(name) {
            throw Refusal(
                reason: "it calls \(full), which is not part of a tensor; it would run code if Python loaded it")
        }
        return full
    }

    private static func kind(_ value: PickledValue) -> String {
        if case .global(let name) = value { name } else { "unknown" }
    }

    private mutating func call(_ callee: PickledValue, _ arguments: PickledValue) throws {
        let arguments = objects.elements(arguments) ?? []
        let name = Self.kind(callee)
        if let value = try PickledTensor.build(name, arguments, objects) { return push(value) }
        // The default reconstruction of classes without their own `__reduce__`.
        let isRebuilt = ["copyreg._reconstructor", "copy_reg._reconstructor"].contains(name)
        try make(PickledObject(kind: isRebuilt ? Self.kind(arguments.first ?? .none) : name, elements: arguments))
    }

    private mutating func storage(_ identifier: PickledValue) throws -> PickledValue.StorageReference {
        let storage = try PickledTensor.storage(objects.elements(identifier) ?? [])
        objects.storages[storage.key] = storage
        return storage
    }

    private mutating func make(_ object: PickledObject) throws {
        guard objects.all.count < Self.maximumObjects else {
            throw Refusal(reason: "its pickle holds more than \(Self.maximumObjects) objects")
        }
        objects.all.append(object)
        push(.object(objects.all.count - 1))
    }

    /// Index of the container on top of the stack, which stays there.
    private func place() throws -> Int {
        guard case .object(let place) = try top() else { throw Refusal.damaged }
        return place
    }

    private mutating func change(
        _ values: [PickledValue], _ body: (inout PickledObject, [PickledValue]) throws -> Void
    ) throws { try body(&objects.all[place()], values) }

    private static func pairs(_ values: [PickledValue]) throws -> [(key: PickledValue, value: PickledValue)] {
        guard values.count % 2 == 0 else { throw Refusal.damaged }
        return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
    }

    // MARK: - Stack

    private mutating func push(_ value: PickledValue) { stack.append(value) }

    private mutating func pop() throws -> PickledValue {
        guard stack.count > marks.last ?? 0 else { throw Refusal.damaged }
        return stack.removeLast()
    }

    private mutating func pop(_ count: Int) throws -> [PickledValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw Refusal.damaged }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private func top() throws -> PickledValue {
        guard stack.count > marks.last ?? 0, let last = stack.last else { throw Refusal.damaged }
        return last
    }

    private mutating func popMark() throws -> [PickledValue] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw Refusal.damaged }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func get(_ index: Int) throws {
        guard let known = memo[index] else { throw Refusal.damaged }
        push(known)
    }

    // MARK: - Bytes

    private mutating func byte() throws -> UInt8 { try bytes(1).first ?? 0 }

    private mutating func bytes(_ count: Int) throws -> Data {
        guard count >= 0, position >= 0, position <= data.count, count <= data.count - position else {
            throw Refusal.cutOff
        }
        defer { position += count }
        return data[data.startIndex + position..<data.startIndex + position + count]
    }

    /// Reads an unsigned little-endian integer of `bytes` bytes.
    private mutating func count(_ bytes: Int) throws -> Int {
        Int(clamping: try self.bytes(bytes).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    private mutating func long(_ count: Int) throws -> PickledValue {
        let digits = try bytes(count)
        guard count <= 8 else { return .bytes(Data(digits)) }
        let bits = digits.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let unused = UInt64(64 - 8 * count)
        return .integer(count == 0 ? 0 : Int(Int64(bitPattern: bits << unused) >> Int64(unused)))
    }

    private mutating func text(_ count: Int) throws -> String { String(decoding: try bytes(count), as: UTF8.self) }

    private mutating func line() throws -> String {
        let rest = data.dropFirst(position)
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { throw Refusal.cutOff }
        position = end - data.startIndex + 1
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    private mutating func number() throws -> Int {
        guard let number = Int(try line()) else { throw Refusal.damaged }
        return number
    }

    /// Protocol 0 writes `01` and `00` for true and false.
    private static func decimal(_ digits: String) -> PickledValue {
        switch digits {
        case "01": .bool(true)
        case "00": .bool(false)
        default: Int(digits).map { .integer($0) } ?? .bytes(Data(digits.utf8))
        }
    }

    /// Protocol 0 quotes byte strings as Python source does.
    private static func unquoted(_ line: String) -> String {
        guard let quote = line.utf8.first, [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(quote),
            line.utf8.count > 1, line.utf8.last == quote
        else { return line }
        return String(line.dropFirst().dropLast())
    }
}
