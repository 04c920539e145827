import CKernels
import Foundation
import TestSupport
import Testing

/// The simulated GPU, which this process uses from then on.
enum StandInGPU {
    private static let folder = FileManager.default.temporaryDirectory.appending(path: "fake-gpu-\(getpid())")

    private static let start = Result {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(at: StandInGPU.folder) }
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        try? FileManager.default.copyItem(at: sources.appending(path: "Lanes.h"), to: folder.appending(path: "Lanes.h"))
        // A later dlopen with that name returns the library that is already loaded.
        for name in ["libcuda.so.1", "libnvrtc.so.13"] {
            let library = folder.appending(path: name).path
            let built = try ChildProcess.run(
                "clang",
                [
                    "-shared", "-fPIC", "-O1", "-Wl,-soname,\(name)", sources.appending(path: "FakeGPU.c").path, "-o",
                    library,
                ])
            try #require(built.status == 0, "\(built.error)")
            try #require(dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nil, "\(String(cString: dlerror()))")
        }
        try succeed(gpu_enter())
    }

    /// Starts it once.
    static func enter() throws {
        try start.get()
        try succeed(gpu_enter())
    }

    /// Fails if the text contains an error.
    static func succeed(_ failure: UnsafeMutablePointer<CChar>?) throws {
        defer { free(failure) }
        if let failure { throw Failure(text: String(cString: failure)) }
    }

    struct Failure: Error { let text: String }
}

enum Element: Int, CaseIterable {
    case f32 = 1, f16 = 10, bf16 = 16

    var bytes: Int { self == .f32 ? 4 : 2 }

    var rounding: Float {
        switch self {
        case .f32: 2e-6
        case .f16: 0x1.1p-11
        case .bf16: 0x1.1p-8
        }
    }

    func write(_ number: Float, to place: UnsafeMutableRawPointer) {
        switch self {
        case .f32: place.storeBytes(of: number, as: Float.self)
        case .f16: place.storeBytes(of: Float16(number).bitPattern, as: UInt16.self)
        case .bf16:
            let bits = number.bitPattern
            place.storeBytes(of: UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16), as: UInt16.self)
        }
    }

    func read(_ place: UnsafeRawPointer) -> Float {
        switch self {
        case .f32: place.loadUnaligned(as: Float.self)
        case .f16: Float(Float16(bitPattern: place.loadUnaligned(as: UInt16.self)))
        case .bf16: Float(bitPattern: UInt32(place.loadUnaligned(as: UInt16.self)) << 16)
        }
    }
}

/// Elements in GPU memory, and the same ones in `f32`.
final class DeviceNumbers {
    let element: Element
    let count: Int
    /// As stored on the GPU, followed by guard values that must not be overwritten.
    let memory: UnsafeMutableRawPointer
    /// As the reference implementations read and write them.
    let numbers: UnsafeMutablePointer<Float>

    private static let guardBytes = 64
    private static let guardByte: UInt8 = 0xa5

    init(_ element: Element, count: Int) {
        (self.element, self.count) = (element, count)
        memory = .allocate(byteCount: count * element.bytes + Self.guardBytes, alignment: 64)
        memory.initializeMemory(
            as: UInt8.self, repeating: Self.guardByte, count: count * element.bytes + Self.guardBytes)
        numbers = .allocate(capacity: count)
        numbers.initialize(repeating: 0, count: count)
    }

    /// Evenly spaced values from -`spread` to `spread`, in the precision of the element.
    convenience init(_ element: Element, _ name: String, count: Int, spread: Float = 1) {
        self.init(element, count: count)
        for (i, value) in around(name, [count], spread: spread).values.enumerated() {
            element.write(value, to: memory + i * element.bytes)
            numbers[i] = element.read(memory + i * element.bytes)
        }
    }

    deinit {
        memory.deallocate()
        numbers.deallocate()
    }

    /// Whether the GPU's values equal the reference's within rounding, and no guard value was overwritten.
    func agree(tolerance: Float = 1) -> Bool {
        let end = memory + count * element.bytes
        guard (0..<Self.guardBytes).allSatisfy({ end.load(fromByteOffset: $0, as: UInt8.self) == Self.guardByte })
        else { return false }
        return (0..<count).allSatisfy { i in
            let (own, reference) = (element.read(memory + i * element.bytes), numbers[i])
            return abs(own - reference) <= tolerance * element.rounding * max(1, abs(reference))
        }
    }
}
