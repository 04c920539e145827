import CONNXRuntime
import Foundation

/// Microsoft's ONNX Runtime, loaded on first use.
package struct RuntimeLibrary: Sendable {
    /// Its version, such as `1.29.0`.
    package let version: String
    /// The file, or the name found by the system's loader.
    package let path: String

    /// The environment variable with the path of the library, its folder, or the folder of its Python package.
    package static let variable = "ZOETROPE_ONNXRUNTIME"

    /// - Throws: `RuntimeError.missing`.
    package static func load() throws -> RuntimeLibrary { try loaded.get() }

    private static let loaded = Result { try open(ProcessInfo.processInfo.environment[variable]) }

    private static func open(_ given: String?) throws -> RuntimeLibrary {
        let candidates = given.map { $0.isEmpty ? [] : files(in: $0) } ?? ["libonnxruntime.so.1", "libonnxruntime.so"]
        var reasons: [String] = []
        for path in candidates {
            preloadCUDA(beside: path)
            guard let reason = text(onnxruntime_load(path)) else {
                return RuntimeLibrary(version: String(cString: onnxruntime_version()), path: path)
            }
            reasons.append(reason)
        }
        throw RuntimeError.missing(named: given, reason: reasons.first)
    }

    /// The library file, or candidates in a folder.
    private static func files(in path: String) -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return [path]
        }
        return [path, path + "/capi", path + "/onnxruntime/capi", path + "/lib"].flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
                .filter { $0.hasPrefix("libonnxruntime.so") }.map { folder + "/" + $0 }
        }
    }

    /// NVIDIA's Python packages are beside the library's, in folders that the loader does not search.
    private static func preloadCUDA(beside path: String) {
        let packages = URL(fileURLWithPath: path).appendingPathComponent("../../../nvidia").standardizedFileURL.path
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: packages)) ?? []).flatMap { package in
            let folder = "\(packages)/\(package)/lib"
            return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { folder + "/" + $0 }
        }
        // Each depends on the previous ones.
        for name in ["cudart", "nvrtc", "cublasLt", "cublas", "curand", "cufft", "cudnn"] {
            let library = files.first { ($0.split(separator: "/").last ?? "").hasPrefix("lib\(name).so.") }
            if let library { _ = onnxruntime_preload(library) }
        }
    }
}

/// The error message of a function; nil without an error.
func text(_ failure: UnsafeMutablePointer<CChar>?) -> String? {
    guard let failure else { return nil }
    defer { free(failure) }
    return String(cString: failure)
}
