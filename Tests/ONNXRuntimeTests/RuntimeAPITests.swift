import CKernels
import Foundation
import ONNXRuntime
import Testing

/// The declarations in `RuntimeAPI.h`, compared with an installed library: each function shows by its result that it is
/// the one of that name. `DeviceNetworkTests` uses those of sessions, tensors, bindings and custom operators.
@Suite(
    "the declarations of ONNX Runtime's C API",
    .enabled(if: (try? RuntimeLibrary.load()) != nil, "needs ONNX Runtime"))
struct RuntimeAPITests {
    private let api: OrtApi

    init() throws {
        _ = try RuntimeLibrary.load()
        api = try #require(loaded_api()).pointee
    }

    private func failure(_ status: OpaquePointer?) -> String? { text(onnxruntime_outcome(status)) }

    private func text(_ failure: UnsafeMutablePointer<CChar>?) -> String? {
        defer { free(failure) }
        return failure.map { String(cString: $0) }
    }

    @Test("the library has one table for all versions up to its own: members never moved") func table() throws {
        let library = try RuntimeLibrary.load()
        let handle = try #require(dlopen(library.path, RTLD_NOW))
        let symbol = try #require(dlsym(handle, "OrtGetApiBase"))
        typealias GetBase = @convention(c) () -> UnsafePointer<OrtApiBase>
        let base = unsafeBitCast(symbol, to: GetBase.self)().pointee
        let minor = try #require(library.version.split(separator: ".").dropFirst().first.flatMap { UInt32($0) })
        #expect(minor >= UInt32(ORT_API_VERSION))
        for version in [1, UInt32(ORT_API_VERSION), minor] { #expect(base.GetApi(version) == loaded_api()) }
    }

    @Test("devices and memory are found, and unknown ones are named in the error") func memory() throws {
        var memory: OpaquePointer?
        #expect(failure(api.CreateMemoryInfo("Nowhere", 1, 0, 0, &memory))?.contains("device") == true)
        #expect(failure(api.CreateMemoryInfo("Cpu", Int32(OrtArenaAllocator), 0, 0, &memory)) == nil && memory != nil)
        api.ReleaseMemoryInfo(memory)
        #expect(failure(api.CreateCpuMemoryInfo(Int32(OrtArenaAllocator), 0, &memory)) == nil)
        var value: OpaquePointer?
        var numbers: [Float] = [1, 2, 3, 4, 5, 6]
        try numbers.withUnsafeMutableBytes { bytes in
            let shape: [Int64] = [2, 3]
            #expect(
                failure(
                    api.CreateTensorWithDataAsOrtValue(
                        memory, bytes.baseAddress, bytes.count, shape, 2, Int32(FLOAT32), &value)) == nil)
            var data: UnsafeMutableRawPointer?
            #expect(failure(api.GetTensorMutableData(value, &data)) == nil && data == bytes.baseAddress)
            var information: OpaquePointer?
            #expect(failure(api.GetTensorTypeAndShape(value, &information)) == nil)
            var rank = 0
            #expect(failure(api.GetDimensionsCount(information, &rank)) == nil)
            try #require(rank == 2)
            var dimensions: [Int64] = [0, 0]
            #expect(failure(api.GetDimensions(information, &dimensions, 2)) == nil && dimensions == shape)
            api.ReleaseTensorTypeAndShapeInfo(information)
            api.ReleaseValue(value)
        }
        api.ReleaseMemoryInfo(memory)
    }

    @Test("a model that does not exist is an error that names it") func sessions() throws {
        var (environment, options, session): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        #expect(failure(api.CreateEnv(Int32(ORT_LOGGING_LEVEL_FATAL), "test", &environment)) == nil)
        #expect(failure(api.CreateSessionOptions(&options)) == nil)
        #expect(failure(api.SetIntraOpNumThreads(options, 1)) == nil)
        let error = failure(api.CreateSession(environment, "/none.onnx", options, &session))
        #expect(error?.contains("/none.onnx") == true && session == nil)
        api.ReleaseSession(session)
        api.ReleaseSessionOptions(options)
    }

    @Test("options of the CUDA provider exist, or the library says that it was built without CUDA") func cuda() {
        var options: OpaquePointer?
        guard let error = failure(api.CreateCUDAProviderOptions(&options)) else {
            let (keys, values) = (["no_such_option"], ["1"])
            let rejected = keys[0].withCString { key in
                values[0].withCString { value in
                    failure(api.UpdateCUDAProviderOptions(options, [key], [value], 1))
                }
            }
            #expect(rejected?.contains("no_such_option") == true)
            return api.ReleaseCUDAProviderOptions(options)
        }
        #expect(error.contains("CUDA execution provider is not enabled"))
        #expect(failure(api.UpdateCUDAProviderOptions(nil, nil, nil, 0))?.contains("CUDA") == true)
    }
}
