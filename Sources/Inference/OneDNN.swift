import COneDNN
import Foundation
import NeuralNetwork

// Owners of COneDNN's handles. Each frees its handle exactly once; status codes become errors here.

/// A oneDNN call that failed.
struct ArithmeticError: LocalizedError {
    let node: String
    let status: String
    /// What happened, where, and what to do about it.
    var errorDescription: String? {
        "oneDNN cannot compute \(node): \(status). Try a smaller batch or another image size."
    }
}

package func check(_ status: Int32, _ node: String) throws {
    if status != 0 { throw ArithmeticError(node: node, status: String(cString: onednn_status_text(status))) }
}

/// Facts about the arithmetic library in use.
public enum ArithmeticLibrary {
    /// Such as `oneDNN 2.6.3`.
    public static var version: String {
        var text = [CChar](repeating: 0, count: 64)
        onednn_version_text(&text, text.count)
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// The instruction set code is generated for, such as `avx512_core_vnni`.
    public static var instructionSet: String { String(cString: onednn_instruction_set()) }

    /// Sets how many threads oneDNN uses for plans that the calling thread makes and runs.
    public static func setThreadsOfCallingThread(_ count: Int) { onednn_set_threads(Int32(count)) }

    /// Runs a computation in which the calling thread treats numbers below 1e-38 as zero: gradients become so small, and
    /// processors slow down a hundredfold. Afterwards the thread computes as before.
    public static func flushingDenormals<Result>(_ body: () throws -> Result) rethrows -> Result {
        let control = onednn_flush_denormals()
        defer { onednn_restore_denormals(control) }
        return try body()
    }

    /// The same for training with so many threads of oneDNN. The body makes and runs the thread's plans.
    public static func training<Result>(threads: Int, _ body: () throws -> Result) rethrows -> Result {
        try flushingDenormals {
            setThreadsOfCallingThread(threads)
            return try body()
        }
    }
}

/// An engine and a stream. Used by one thread at a time.
package final class Context {
    package let handle: OpaquePointer

    package init() throws {
        var created: OpaquePointer?
        try check(onednn_context_create(&created), "the CPU engine")
        handle = created!
    }

    deinit { onednn_context_destroy(handle) }

    private var scratchpad = AlignedBuffer(bytes: 0)

    /// Scratch space for a primitive that runs now; the next one gets the same.
    package func scratchpad(bytes: Int) -> UnsafeMutableRawPointer {
        if scratchpad.bytes < bytes { scratchpad = AlignedBuffer(bytes: bytes) }
        return scratchpad.pointer
    }
}

/// How a tensor lies in memory.
///
/// `@unchecked Sendable`: what the handle stands for is never changed, oneDNN only reads it.
package final class Layout: @unchecked Sendable {
    package let handle: OpaquePointer

    package init(owning handle: OpaquePointer) { self.handle = handle }

    package init(_ dimensions: [Int], _ format: onednn_format, _ element: onednn_element = ONEDNN_F32) throws {
        var created: OpaquePointer?
        let status = onednn_layout_create(
            &created, element, Int32(dimensions.count), dimensions.map(Int64.init), format)
        try check(status, "a layout of \(dimensions)")
        handle = created!
    }

    deinit { onednn_layout_destroy(handle) }

    package var bytes: Int { onednn_layout_bytes(handle) }
    var element: onednn_element { onednn_layout_element(handle) }

    static func == (first: Layout, second: Layout) -> Bool { onednn_layout_equal(first.handle, second.handle) }
}

/// One oneDNN primitive.
package final class Primitive {
    package let handle: OpaquePointer
    package let name: String

    /// `make` is one of COneDNN's `_create` functions.
    package init(_ name: String, _ make: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws {
        var created: OpaquePointer?
        try check(make(&created), name)
        handle = created!
        self.name = name
    }

    deinit { onednn_operation_destroy(handle) }

    /// The layouts the primitive settled on.
    var source: Layout { Layout(owning: onednn_operation_source(handle)) }
    var destination: Layout { Layout(owning: onednn_operation_destination(handle)) }
    var weights: Layout? { onednn_operation_weights(handle).map(Layout.init(owning:)) }
    package var scratchpadBytes: Int { onednn_operation_scratchpad_bytes(handle) }
    /// The kernel oneDNN chose, such as `jit:avx512_core`.
    var kernel: String { String(cString: onednn_operation_kernel(handle)) }

    package func bind(
        source: UnsafeMutableRawPointer, second: UnsafeMutableRawPointer? = nil,
        weights: UnsafeMutableRawPointer? = nil, bias: UnsafeMutableRawPointer? = nil,
        destination: UnsafeMutableRawPointer, scratchpad: UnsafeMutableRawPointer?
    ) throws {
        try check(onednn_operation_bind(handle, source, second, weights, bias, destination, scratchpad), name)
    }

    /// For a concatenation.
    func bind(
        sources: [UnsafeMutableRawPointer], destination: UnsafeMutableRawPointer, scratchpad: UnsafeMutableRawPointer?
    ) throws {
        let sources: [UnsafeMutableRawPointer?] = sources
        try check(onednn_concatenation_bind(handle, Int32(sources.count), sources, destination, scratchpad), name)
    }

    package func execute(in context: Context) throws {
        try check(onednn_operation_execute(context.handle, handle), name)
    }
}

/// Memory aligned to a cache line, as the kernels like it. Much of it goes back to the system when it is not needed any
/// more, which `free` does not promise.
package final class AlignedBuffer {
    package let pointer: UnsafeMutableRawPointer
    let bytes: Int
    private let isMapped: Bool

    package init(bytes: Int) {
        self.bytes = max(bytes, 64)
        let mapped =
            bytes < 1 << 20
            ? MAP_FAILED : mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if let mapped, mapped != MAP_FAILED {
            (pointer, isMapped) = (mapped, true)
        } else {
            (pointer, isMapped) = (.allocate(byteCount: self.bytes, alignment: 64), false)
        }
    }

    deinit {
        if isMapped { munmap(pointer, bytes) } else { pointer.deallocate() }
    }
}
