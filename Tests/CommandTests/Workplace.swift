import Foundation
import GRDB
import TestSupport
import Testing

/// The built program, run as a user runs it.
struct Program {
    static let path: String = {
        if let other = ProcessInfo.processInfo.environment["ZOETROPE_PROGRAM"] { return other }
        // The test bundle is in the folder of the program that was built with it.
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let candidates = [bundle, Bundle.main.bundleURL, Bundle.main.bundleURL.deletingLastPathComponent()]
        return candidates.map { $0.appending(path: "zoetrope").path }
            .first { FileManager.default.isExecutableFile(atPath: $0) } ?? "./zoetrope"
    }()

    /// Without tuning by default: nothing is written outside `folder`, and results do not depend on timing.
    static func start(
        _ arguments: [String], in folder: String, environment: [String: String] = ["ZOETROPE_TUNING": "off"]
    ) throws -> ChildProcess {
        try ChildProcess(path, arguments, in: folder, environment: Self.environment(environment, in: folder))
    }

    /// The given variables, and a separate folder for the user's caches.
    private static func environment(_ given: [String: String], in folder: String) -> [String: String] {
        ["XDG_CACHE_HOME": folder + "/user-cache"].merging(given) { $1 }
    }

    /// Runs shell code in which `$Z` is the program.
    static func shell(_ script: String, in folder: String) throws -> ChildProcess.Output {
        try ChildProcess.run(
            "/bin/bash", ["-c", script], in: folder,
            environment: environment(["ZOETROPE_TUNING": "off", "Z": path], in: folder))
    }

    /// Expects the exit code `status`, and texts in the output.
    @discardableResult static func run(
        _ arguments: [String], in folder: String, environment: [String: String] = ["ZOETROPE_TUNING": "off"],
        status: Int32? = nil, out: String..., error: String..., location: SourceLocation = #_sourceLocation
    ) throws -> ChildProcess.Output {
        try start(arguments, in: folder, environment: environment).wait()
            .check(status, out, error, [], "\(arguments)", location)
    }
}

extension ChildProcess.Output {
    /// The standard output, which is JSON.
    func json<Value>() throws -> Value {
        try #require(try JSONSerialization.jsonObject(with: Data(out.utf8)) as? Value)
    }

    /// Expects the exit code `status`, texts in the output, and none of the texts `absent` in either stream.
    @discardableResult func check(
        _ status: Int32?, _ out: [String], _ error: [String], _ absent: [String], _ what: String,
        _ location: SourceLocation
    ) -> ChildProcess.Output {
        if let status { #expect(self.status == status, "\(what): \(self.out)\(self.error)", sourceLocation: location) }
        for text in out { #expect(self.out.contains(text), "\(what): \(self.error)", sourceLocation: location) }
        for text in error { #expect(self.error.contains(text), "\(what): \(self.out)", sourceLocation: location) }
        for text in absent {
            #expect(
                !(self.out + self.error).contains(text), "\(what): \(self.out)\(self.error)", sourceLocation: location)
        }
        return self
    }
}

/// Tiny uncompressed clips of two labels and a pipeline for them.
final class Workplace {
    private let scratch: ScratchFolder
    var path: String { scratch.path }

    /// `commands`: run on `p.yaml`, which has to succeed.
    init(clips: Int = 8, after commands: String..., location: SourceLocation = #_sourceLocation) throws {
        scratch = ScratchFolder()
        for index in 0..<clips {
            let split = index % 4 == 3 ? "test" : "train"
            try add("clips/\(split)/\(["jump up", "run's"][index % 2])/\(index).y4m", TinyClip.numbered(index))
        }
        try add("p.yaml", Data(Self.pipeline.utf8))
        for command in commands { try run(command, "p.yaml", status: 0, location: location) }
    }

    static let pipeline = """
        name: tiny
        dataset: {root: clips}
        extract:
          backbone: resnet18
          weights: random
          image_size: 32
          sampling: {policy: uniform, frames: 4}
        sequence:
          model: {kind: gru, hidden: 8}
          standardize: true
          epochs: 3
        """

    static let tuning = """
        name: tuned
        dataset: {root: clips}
        extract: {backbone: small_cnn, weights: random, image_size: 32, sampling: {policy: uniform, frames: 2}}
        finetune: {unfreeze: all, model: {kind: average}, epochs: 1, checkpoint: 1}
        """

    func add(_ name: String, _ data: Data) throws { try scratch.file(name, data) }

    func add(_ name: String, _ text: String) throws { try scratch.file(name, text) }

    /// Expects the exit code `status`, texts in the output, and none of the texts `absent` in either stream.
    @discardableResult func run(
        _ arguments: String..., status: Int32? = nil, out: String..., error: String..., absent: String...,
        location: SourceLocation = #_sourceLocation
    ) throws -> ChildProcess.Output {
        try Program.run(arguments, in: path).check(status, out, error, absent, "\(arguments)", location)
    }

    @discardableResult func run(
        _ arguments: [String], environment: [String: String] = ["ZOETROPE_TUNING": "off"], status: Int32? = nil,
        out: String..., error: String..., absent: String..., location: SourceLocation = #_sourceLocation
    ) throws -> ChildProcess.Output {
        try Program.run(arguments, in: path, environment: environment)
            .check(status, out, error, absent, "\(arguments)", location)
    }

    /// The content of a file.
    func text(_ name: String) throws -> String { try String(contentsOfFile: path + "/" + name, encoding: .utf8) }
    func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)) }

    /// The rows of a table, 0 if it cannot be read yet.
    func count(_ table: String, cache: String = "features.sqlite") -> Int {
        ((try? query("SELECT count(*) FROM \(table)", cache: cache)) as [Int]?)?.first ?? 0
    }

    func query<Value: DatabaseValueConvertible>(_ sql: String, cache: String = "features.sqlite") throws -> [Value] {
        try Self.query(sql, path: path + "/" + cache)
    }

    static func query<Value: DatabaseValueConvertible>(_ sql: String, path: String) throws -> [Value] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(10)
        return try DatabaseQueue(path: path, configuration: configuration).read { try Value.fetchAll($0, sql: sql) }
    }
}
