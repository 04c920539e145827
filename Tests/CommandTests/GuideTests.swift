import Foundation
import GRDB
import TestSupport
import Testing

/// Runs every command of the README and the guides, in order, on clips with the names that they mention.
@Suite struct GuideTests {
    struct Block {
        let language, text: String
        /// A requirement that is unavailable in tests, such as "a download".
        let need: String?
        /// The comment before it that states its kind, such as "files" or "measured: make pictures, …".
        var origin: String?

        static func all(_ guide: String) -> [Block] {
            var blocks: [Block] = []
            var (language, lines, need): (String?, [String], String?) = (nil, [], nil)
            var origin: String?
            for line in guide.components(separatedBy: "\n") {
                if line.hasPrefix("```") {
                    if let open = language {
                        let text = lines.joined(separator: "\n")
                        blocks.append(Block(language: open, text: text, need: need, origin: origin))
                        (language, lines, need, origin) = (nil, [], nil, nil)
                    } else {
                        language = String(line.dropFirst(3))
                    }
                } else if language != nil {
                    lines.append(line)
                } else if let match = line.wholeMatch(of: /<!-- needs (.+) -->/) {
                    need = String(match.1)
                } else if let match = line.wholeMatch(of: /<!-- (.+) -->/) {
                    origin = String(match.1)
                }
            }
            return blocks
        }
    }

    static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardizedFileURL.path

    static let guides =
        ["README.md"]
        + ((try? FileManager.default.contentsOfDirectory(atPath: root + "/docs")) ?? [])
        .filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }

    static func blocks(_ guide: String) throws -> [Block] {
        Block.all(try String(contentsOfFile: root + "/" + guide, encoding: .utf8))
    }

    @Test("commands of the guides work as printed", arguments: guides) func commands(guide: String) throws {
        let commands = try Self.blocks(guide).filter { $0.language == "sh" && $0.need == nil }
        if commands.isEmpty { return }
        let place = try GuidePlace()
        for block in commands {
            let done = try place.shell(block.text)
            #expect(done.status == 0, "\(block.text)\n\(done.out.suffix(1000))\n\(done.error.suffix(2000))")
        }
    }

    @Test("code blocks that are not run state the reason, and most are run") func needs() throws {
        let all = try Self.guides.flatMap(Self.blocks).filter { $0.language == "sh" }
        let known: Set = ["a download", "a GPU", "a cluster", "a release build", "the weights of CLIP or SigLIP"]
        for block in all { if let need = block.need { #expect(known.contains(need), "\(need)") } }
        #expect(all.count { $0.need == nil } > 2 * all.count { $0.need != nil })
    }

    @Test("each output in a guide names the command that printed it, or states that it was measured elsewhere")
    func origins() throws {
        let outputs = try Self.guides.flatMap { guide in
            try Self.blocks(guide).filter(\.language.isEmpty).map { (guide, $0) }
        }
        #expect(outputs.count > 10)
        for (guide, block) in outputs {
            let origin = block.origin ?? ""
            #expect(
                origin == "files" || origin == "diagram" || origin.hasPrefix("measured: make pictures, on ")
                    || origin.hasPrefix("measured elsewhere: "), "\(guide): \(block.text.prefix(80))")
        }
    }

    @Test("every image of the guides is made by `make pictures`") func pictures() throws {
        let script = try String(contentsOfFile: Self.root + "/docs/pictures.sh", encoding: .utf8)
        let images = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/docs")
            .filter { $0.hasSuffix(".png") || $0.hasSuffix(".gif") }
        #expect(images.count >= 4)
        for image in images { #expect(script.contains("\"$docs/\(image)\""), "\(image)") }
    }

    @Test("the README is short, and every file that a guide names exists") func links() throws {
        let readme = try String(contentsOfFile: Self.root + "/README.md", encoding: .utf8)
        #expect(readme.split(separator: "\n", omittingEmptySubsequences: false).count <= 180)
        for guide in Self.guides + ["CONTRIBUTING.md", "CHANGELOG.md"] {
            let path = Self.root + "/" + guide
            let text = try String(contentsOfFile: path, encoding: .utf8)
            for match in text.matches(of: /\]\(([^)#]+)(#[^)]*)?\)/) where !match.1.hasPrefix("http") {
                let target = (path as NSString).deletingLastPathComponent + "/" + match.1
                #expect(FileManager.default.fileExists(atPath: target), "\(guide): \(match.1)")
            }
        }
    }

    @Test("SQL queries of the guides return rows") func queries() throws {
        let queries = try Self.guides.flatMap(Self.blocks).filter { $0.language == "sql" }
        #expect(queries.count >= 5)
        let cache = try GuidePlace.shared.get().path + "/demo/features.sqlite"
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        for query in queries {
            let rows = try DatabaseQueue(path: cache, configuration: configuration).read {
                try Row.fetchAll($0, sql: query.text)
            }
            // A requirement must not be mistaken for a kind.
            #expect(!rows.isEmpty || query.text.contains("<> predicted"))
        }
    }

    @Test("the program, its recipes and runs, and the changelog state one version") func version() throws {
        let version = try Program.run(["--version"], in: Self.root).out.trimmingCharacters(in: .whitespacesAndNewlines)
        let changes = try String(contentsOfFile: Self.root + "/CHANGELOG.md", encoding: .utf8)
        #expect(changes.firstMatch(of: /\n## (\S+)/).map { String($0.1) } == version)
        let cache = try GuidePlace.shared.get().path + "/demo/features.sqlite"
        let recipes: [String] = try Workplace.query("SELECT version FROM extraction", path: cache)
        #expect(!recipes.isEmpty && recipes.allSatisfy { $0 == version })
    }
}

/// A folder as the guides describe it: the demo's and the user's own, of tiny clips.
final class GuidePlace: Sendable {
    private let scratch: ScratchFolder
    var path: String { scratch.path }

    /// The initial content of every copy, generated once because it is slow.
    static let shared = Result { try GuidePlace(from: nil) }

    convenience init() throws { try self.init(from: Self.shared.get()) }

    private init(from other: GuidePlace?) throws {
        scratch = ScratchFolder()
        guard let other else {
            try make()
            try FileManager.default.createDirectory(atPath: path + "/bin", withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: path + "/bin/zoetrope", withDestinationPath: Program.path)
            return
        }
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: other.path, toPath: path)
        // `make` and `zoetrope`, using the products that the tests have built.
        let program = URL(fileURLWithPath: Program.path).deletingLastPathComponent().path
        _ = try scratch.program(
            "bin/make",
            """
            exec /usr/bin/make --no-print-directory -f '\(GuideTests.root)/Makefile' -o build -o setup \\
              'BUILT=\(program)' "$@"
            """)
    }

    /// Runs lines as typed by a user, and stops at the first that fails.
    func shell(_ lines: String) throws -> ChildProcess.Output {
        let search = path + "/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
        return try ChildProcess.run(
            "bash", ["-euc", lines], in: path,
            environment: [
                "PATH": search, "ZOETROPE_TUNING": "off", "XDG_CACHE_HOME": path + "/user", "MAKEFLAGS": "",
                "MAKELEVEL": "",
            ])
    }

    private func make() throws {
        for (number, action) in ["grow", "shrink", "brighten", "darken"].enumerated() {
            for clip in 0..<8 {
                let split = clip > 5 ? "test" : "train"
                try scratch.file(
                    "demo/clips/\(split)/\(action)/\(action)-0\(clip % 6).mp4", Self.clip(number, seed: clip))
            }
        }
        for (number, action) in ["jump", "run"].enumerated() {
            for clip in 0..<8 {
                try scratch.file("data/my-videos/\(action)/\(clip).mp4", Self.clip(number, seed: clip + 50))
            }
        }
        try scratch.file("new.mp4", Self.clip(1, seed: 99))
        for head in ["average", "gru"] {
            try scratch.file("demo/\(head).yaml", Data(Self.pipeline("demo-" + head, "demo/clips", head, "").utf8))
        }
        let sweep = "sweep: {sequence.model: [{kind: average}, {kind: gru, hidden: 6}], sequence.seed: [1, 2]}\n"
        try scratch.file("demo/heads.yaml", Data((Self.pipeline("demo-heads", "demo/clips", "gru", "") + sweep).utf8))
        let tuning = "finetune: {model: {kind: average}, epochs: 1, batch_size: 4, optimizer: {kind: adam}}\n"
        try scratch.file(
            "demo/small-cnn.yaml", Data((Self.pipeline("demo-small-cnn", "demo/clips", "gru", "") + tuning).utf8))
        try scratch.file("my.yaml", Data(Self.pipeline("my-videos", "data/my-videos", "gru", "validation: 0.25").utf8))
        for arguments in [
            ["extract", "demo/gru.yaml", "--cache", "demo/features.sqlite"],
            ["sequence", "demo/average.yaml", "--cache", "demo/features.sqlite", "--runs", "demo/runs"],
            ["sequence", "demo/gru.yaml", "--cache", "demo/features.sqlite", "--runs", "demo/runs"],
            [
                "sequence", "demo/average.yaml", "--cache", "demo/features.sqlite", "--runs", "demo/runs", "--folds",
                "2",
                "--name", "demo-folds",
            ],
            ["finetune", "demo/small-cnn.yaml", "--cache", "demo/features.sqlite", "--runs", "demo/runs"],
            ["extract", "my.yaml"], ["sequence", "my.yaml"],
        ] {
            let done = try Program.run(arguments, in: path)
            try #require(done.status == 0, "\(arguments) \(done.error)")
        }
        try FileManager.default.copyItem(
            atPath: path + "/demo/runs/demo-small-cnn/backbone/model.safetensors", toPath: path + "/model.safetensors")
    }

    /// 16 frames of 64×48 that become brighter, darker, or have an edge that moves.
    private static func clip(_ action: Int, seed: Int) -> Data {
        TinyClip.y4m(width: 64, height: 48, frames: 16) { pixel, frame in
            let (x, step) = (pixel % 64, action % 2 == 0 ? frame : 15 - frame)
            let base = (pixel &* 2_654_435_761 &+ seed &* 7919) % 23
            return UInt8(clamping: base + (action < 2 ? (x < 4 * step ? 150 : 40) : 30 + 12 * step))
        }
    }

    private static func pipeline(_ name: String, _ root: String, _ head: String, _ dataset: String) -> String {
        """
        name: \(name)
        dataset: {layout: folders, root: \(root)\(dataset.isEmpty ? "" : ", " + dataset)}
        extract:
          backbone: small_cnn
          weights: random
          image_size: 32
          sampling: {policy: uniform, frames: 6}
        sequence:
          model: {kind: \(head)\(head == "gru" ? ", hidden: 8" : "")}
          standardize: true
          epochs: 4
          early_stopping: {monitor: validation_loss, patience: 15}

        """
    }
}
