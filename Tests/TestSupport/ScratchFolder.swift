import Foundation

/// A separate folder for a test, removed with the last reference to it.
package final class ScratchFolder: Sendable {
    package let path: String

    package init() {
        path = NSTemporaryDirectory() + "zoetrope-test-" + UUID().uuidString
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            preconditionFailure("\(path): \(error)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, and creates its folders. Returns its path.
    @discardableResult package func file(_ name: String, _ data: Data) throws -> String {
        let file = path + "/" + name
        let folder = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try data.write(to: URL(fileURLWithPath: file))
        return file
    }

    /// Writes an executable shell script in another process: a child that another test starts meanwhile would inherit
    /// the open descriptor, and the system runs no file that is open for writing. Returns its path.
    package func program(_ name: String, _ script: String) throws -> String {
        let (text, path) = (try file(name + ".txt", "#!/bin/sh\n" + script), path + "/" + name)
        try ChildProcess.run("/bin/sh", ["-c", "cp \"$1\" \"$2\" && chmod 755 \"$2\" && rm \"$1\"", "sh", text, path])
        return path
    }

    @discardableResult
    package func file(_ name: String, _ text: String = "x") throws -> String { try file(name, Data(text.utf8)) }
}

/// Generated clips that need no encoder: uncompressed 4:4:4 YUV4MPEG2.
package enum TinyClip {
    /// `luma`: brightness of a pixel, from its place in the frame and the frame's index. `chroma`: of every pixel; 128
    /// is grey.
    package static func y4m(
        width: Int, height: Int, frames: Int, chroma: UInt8 = 128, luma: (_ pixel: Int, _ frame: Int) -> UInt8
    ) -> Data {
        var data = Data("YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C444\n".utf8)
        for frame in 0..<frames {
            data.append(Data("FRAME\n".utf8))
            data.append(Data((0..<width * height).map { luma($0, frame) }))
            data.append(Data(repeating: chroma, count: 2 * width * height))
        }
        return data
    }

    /// A 24 × 16 clip that is unique for each index.
    package static func numbered(_ index: Int, frames: Int = 6) -> Data {
        y4m(width: 24, height: 16, frames: frames, chroma: UInt8(100 + index % 50)) { pixel, frame in
            UInt8((pixel * (index % 7 + 3) + 20 * frame + index) % 200 + 20)
        }
    }
}

/// The output of a parity script. A fixture that cannot be read ends the tests: nothing would be checked.
package func fixture<Value: Decodable>(_ name: String, in bundle: Bundle) -> Value {
    guard let url = bundle.url(forResource: "Fixtures/" + name, withExtension: "json"),
        let data = try? Data(contentsOf: url), let value = try? JSONDecoder().decode(Value.self, from: data)
    else { preconditionFailure("the fixture \(name).json is missing or damaged") }
    return value
}

/// UCF101's official lists, if available: in the folder `ZOETROPE_UCF101_LISTS`, or beside the checkout.
package enum OfficialLists {
    package static let folder: String =
        ProcessInfo.processInfo.environment["ZOETROPE_UCF101_LISTS"]
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/splits/ucf101")
        .standardizedFileURL.path

    package static let arePresent = FileManager.default.fileExists(atPath: folder + "/trainlist01.txt")
}
