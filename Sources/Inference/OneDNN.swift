import COneDNN
import Foundation
import NeuralNetwork

// Owners of COneDNN's handles. Each frees its handle exactly once and converts status codes into errors.

/// A oneDNN call that failed.
struct ArithmeticError: LocalizedError {
    let node: String
    let status: String
    var errorDescription: String? {
        "oneDNN cannot compute \(node): \(status). Try a smaller batch or another image size."
    }
}

package func check(_ status: Int32, _ node: String) throws {
    if status != 0 { throw ArithmeticError(node: node, status: String(cString: onednn_status_text(status))) }
}

/// The oneDNN version and its per-thread settings.
package enum ArithmeticLibrary {
    /// Such as `oneDNN 2.6.3`.
    package static var version: String {
        var text = [CChar](repeating: 0, count: 64)
        onednn_version_text(&text, text.count)
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// The instruction set that oneDNN generates code for, such as `avx512_core_vnni`.
    package static var instructionSet: String { String(cString: onednn_instruction_set()) }

    /// Sets the number of oneDNN threads of plans that the calling thread creates and runs.
    package static func setThreadsOfCallingThread(_ count: Int) { onednn_set_threads(Int32(count)) }

    /// Runs `body` with denormals flushed to zero in the calling thread: gradients become so small that processors slow
    /// down a hundredfold. The previous mode is restored afterwards.
    package static func flushingDenormals<Result>(_ body: () throws -> Result) rethrows -> Result {
        let control = onednn_flush_denormals()
        defer { onednn_restore_denormals(control) }
        return try body()
    }

    /// As `flushingDenormals`, with `threads` oneDNN threads. `body` must create and run the plans.
    package static func training<Result>(threads: Int, _ body: () throws -> Result) rethrows -> Result {
        try flushingDenormals {
            setThreadsOfCallingThread(threads)
            return try body()
        }
    }
}

/// A oneDNN engine and stream. Used by one thread at a time.
package final class Context {
    package let handle: OpaquePointer

    package init() throws {
        var created: OpaquePointer?
        try check(onednn_context_create(&created), "the CPU engine")
        handle = created!
    }

    deinit { onednn_context_destroy(handle) }

    private var scratchpad = AlignedBuffer(bytes: 0)

    /// Scratch space of the primitive that runs next; all primitives share it.
    package func scratchpad(bytes: Int) -> UnsafeMutableRawPointer {
        if scratchpad.bytes < bytes { scratchpad = AlignedBuffer(bytes: bytes) }
        return scratchpad.pointer
    }
}

/// A tensor's memory descriptor.
///
/// `@unchecked Sendable`: oneDNN only reads the descriptor, which is never changed.
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

package final class Primitive {
    package let handle: OpaquePointer
    package let name: String

    /// - `make`: one of COneDNN's `_create` functions.
    package init(_ name: String, _ make: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws {
        var created: OpaquePointer?
        try check(make(&created), name)
        handle = created!
        self.name = name
    }

    deinit { onednn_operation_destroy(handle) }

    /// The layouts that the primitive chose.
    var source: Layout { Layout(owning: onednn_operation_source(handle)) }
    var destination: Layout { Layout(owning: onednn_operation_destination(handle)) }
    var weights: Layout? { onednn_operation_weights(handle).map(Layout.init(owning:)) }
    package var scratchpadBytes: Int { onednn_operation_scratchpad_bytes(handle) }
    /// The implementation that oneDNN chose, such as `jit:avx512_core`.
    var kernel: String { String(cString: onednn_operation_kernel(handle)) }

    func bind(
        source: UnsafeMutableRawPointer, second: UnsafeMutableRawPointer? = nil,
        weights: UnsafeMutableRawPointer? = nil, bias: UnsafeMutableRawPointer? = nil,
        destination: UnsafeMutableRawPointer, scratchpad: UnsafeMutableRawPointer?
    ) throws {
        try check(onednn_operation_bind(handle, source, second, weights, bias, destination, scratchpad), name)
    }

    package func execute(in context: Context) throws {
        try check(onednn_operation_execute(context.handle, handle), name)
    }

    /// Binds and executes a reorder.
    package func run(
        from source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, in context: Context
    ) throws {
        try bind(source: source, destination: destination, scratchpad: context.scratchpad(bytes: scratchpadBytes))
        try execute(in: context)
    }
}

/// Memory aligned to a cache line. Large buffers are mapped, so that they return to the system at once when freed,
/// which `free` does not guarantee.
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

    convenience init(_ values: [Float]) {
        self.init(bytes: values.count * 4)
        values.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { pointer.copyMemory(from: start, byteCount: bytes.count) }
        }
    }

    deinit {
        if isMapped { munmap(pointer, bytes) } else { pointer.deallocate() }
    }
}
