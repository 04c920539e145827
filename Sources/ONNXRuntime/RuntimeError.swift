import Foundation

/// Why a model cannot run on a GPU.
package enum RuntimeError: LocalizedError, Equatable {
    case missing(named: String?, reason: String?)
    /// The library has no usable GPU.
    case noGPU(reason: String)
    /// The library rejects the model.
    case refused(reason: String)
    case outOfMemory(reason: String)
    /// The GPU or its library failed.
    case failed(reason: String)

    init(opening reason: String) {
        let lower = reason.lowercased()
        if Self.isOutOfMemory(lower) {
            self = .outOfMemory(reason: Self.line(reason))
        } else if ["provider", "cuda failure", "cudnn failure", "failed to load library", "no cuda"]
            .contains(where: { lower.contains($0) })
        {
            self = .noGPU(reason: Self.line(reason))
        } else {
            self = .refused(reason: Self.line(reason))
        }
    }

    init(running reason: String) {
        self =
            Self.isOutOfMemory(reason.lowercased())
            ? .outOfMemory(reason: Self.line(reason)) : .failed(reason: Self.line(reason))
    }

    private static func isOutOfMemory(_ reason: String) -> Bool {
        ["out of memory", "failed to allocate memory", "available memory of", "cuda failure 2:", "alloc_failed"]
            .contains(where: { reason.contains($0) })
    }

    /// The message without source locations of the library.
    private static func line(_ reason: String) -> String {
        var text = reason
        for mark in ["[ONNXRuntimeError] : ", "CUDA failure ", " : FAIL : "] {
            if let range = text.range(of: mark, options: .backwards) {
                text = (mark.hasPrefix("CUDA") ? mark : "") + text[range.upperBound...]
            }
        }
        for end in [" ; GPU=", "\n"] {
            if let range = text.range(of: end) { text = String(text[..<range.lowerBound]) }
        }
        while let last = text.last, last.isWhitespace || last == "." { text.removeLast() }
        return text.count > 300 ? text.prefix(300) + "…" : text
    }

    package var errorDescription: String? {
        switch self {
        case .missing(nil, _):
            "`--device cuda` needs ONNX Runtime, which is not among the system's libraries. `pip install "
                + "'onnxruntime-gpu[cuda,cudnn]'` installs it; then set \(RuntimeLibrary.variable) to the folder that "
                + "`python3 -c 'import onnxruntime; print(onnxruntime.__path__[0])'` prints. Use `--device cpu` to run "
                + "without it."
        case .missing(let path?, let reason):
            "\(RuntimeLibrary.variable) is \(path.isEmpty ? "empty" : path), where ONNX Runtime cannot be loaded"
                + (reason.map { ": \($0)" } ?? "")
                + ". Name libonnxruntime.so, or a folder that holds it; `--device cpu` needs neither."
        case .noGPU(let reason):
            "ONNX Runtime finds no GPU that it can use: \(reason). `nvidia-smi` shows whether the driver finds one; "
                + "the library needs CUDA and cuDNN of its own version (`pip install 'onnxruntime-gpu[cuda,cudnn]'`). "
                + "`--device cpu` needs no GPU."
        case .refused(let reason):
            "ONNX Runtime rejected the model: \(reason). Choose another `precision`, or use `--device cpu`."
        case .outOfMemory(let reason):
            "The GPU's memory is full: \(reason). End other processes on it (`nvidia-smi` lists them), or use "
                + "`--device cpu`."
        case .failed(let reason):
            "The GPU failed: \(reason). Extracted features are kept: run the same command again to resume, with "
                + "`--device cpu` if the GPU stays unavailable."
        }
    }
}
