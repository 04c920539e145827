import Foundation
import TestSupport
import Testing
@testable import NeuralNetwork

@Suite struct MemoryLimitTests {
    @Test("weights larger than the memory are refused before anything is taken, by whoever reads them")
    func tooLarge() throws {
        let scratch = ScratchFolder()
        // A sparse file of 8 TB, whose header is true.
        let count = 1 << 41
        let header = #"{"w":{"dtype":"F32","shape":[\#(count)],"data_offsets":[0,\#(4 * count)]}}"#
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
        data.append(Data(header.utf8))
        let path = try scratch.file("huge.bin", data)
        guard truncate(path, off_t(data.count + 4 * count)) == 0 else { return }
        let file = try SafeTensorsFile(path: path)
        #expect(file.shapes == ["w": [count]])
        let expected = WeightsError.tooLarge(file: path, bytes: 4 * count, memory: MemoryLimit.bytes)
        #expect(throws: expected) { try file.tensor(named: "w") }
        #expect(throws: expected) {
            try file.validate(for: [
                Graph.Parameter(name: "w", shape: [count], initializer: .init(spread: 1), isTrainable: true)
            ])
        }
        #expect(throws: WeightsError.self) { try SafeTensorsWriter.convert(file, to: scratch.path + "/out.bin") }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.bin"))
        #expect(expected.localizedDescription.contains("MB of memory"))
        // What does not fit the network is not read at all.
        #expect(throws: WeightsError.self) {
            try file.tensor(
                for: Graph.Parameter(name: "w", shape: [4], initializer: .init(spread: 1), isTrainable: true))
        }
    }
}
