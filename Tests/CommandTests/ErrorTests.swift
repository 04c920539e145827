import Foundation
import Testing

/// All messages of all error types, read from the sources, follow one style.
@Suite struct ErrorTests {
    struct Message: CustomTestStringConvertible {
        let type, text: String
        var testDescription: String { "\(type): \(text)" }
    }

    /// All messages of every `errorDescription`, by case.
    static let messages: [Message] = {
        let sources = GuideTests.root + "/Sources"
        let files = FileManager.default.enumerator(atPath: sources)?.compactMap { $0 as? String } ?? []
        // Errors of a pipeline are raised during parsing.
        return files.filter { $0.hasSuffix(".swift") && !$0.hasSuffix("PipelineError.swift") }.sorted().flatMap {
            file -> [Message] in
            guard let text = try? String(contentsOfFile: sources + "/" + file, encoding: .utf8) else { return [] }
            return text.components(separatedBy: "var errorDescription: String? {").dropFirst().flatMap { rest in
                // The property ends at the indentation of its first line.
                let body = rest.prefix(upTo: rest.range(of: "\n    }")?.lowerBound ?? rest.endIndex)
                return body.components(separatedBy: "case .").filter { $0.contains("\"") }.map {
                    Message(type: file, text: literals($0))
                }
            }
        }
    }()

    /// The string literals in a piece of code, concatenated.
    private static func literals(_ code: String) -> String {
        code.matches(of: /"((?:[^"\\\n]|\\.)*)"/).map { String($0.1) }.joined()
    }

    @Test("there are as many messages as error cases, and the test finds all of them") func list() {
        #expect(Self.messages.count > 120)
    }

    @Test("each error message is a sentence, and says what to do next", arguments: messages) func voice(
        message: Message
    ) {
        let text = message.text
        // A reason from another program may have any ending.
        #expect(text.hasSuffix(".") || text.hasSuffix("\\(message)"), "\(text)")
        let words = Set(text.split { !$0.isLetter }.map(String.init))
        #expect(!words.isDisjoint(with: Self.advice) || Self.holdsCommand(text), "\(text)")
    }

    /// Whether it contains something to type, or a list of valid values.
    private static func holdsCommand(_ text: String) -> Bool {
        text.contains(/`(zoetrope|apt-get|pip|nvidia-smi|make|--)|--[a-z]+ |It has |begin with/)
            || text.contains(/The cache has|run the command|name the |SQL over/)
    }

    /// A message without any of these does not help its reader.
    private static let advice: Set = [
        "Add", "Ask", "Check", "Choose", "Convert", "Correct", "Cut", "Delete", "End", "Expected", "Export", "Extract",
        "Fetch", "Give", "Install", "Leave", "Let", "Look", "Make", "Mount", "Name", "Prune", "Put", "Raise", "Run",
        "Say", "See", "Set", "Take", "Train", "Try", "Update", "Use", "Wait", "Write",
    ]

    @Test("the error for a missing published weight file says how to download it, before any video is read")
    func missingWeights() throws {
        let place = try Workplace()
        try place.run(
            "extract", "p.yaml", "--set", "extract.weights=weights/resnet18-f37072fd.pth", status: 1,
            error: "`zoetrope weights fetch resnet18-f37072fd.pth`")
        let own = try place.run(
            "extract", "p.yaml", "--set", "extract.weights=own.pth", status: 1, error: "There are no weights at own.pth"
        )
        #expect(!own.error.contains("reading"))
    }

    @Test("without a test part, `sequence` suggests a test share that gives every class a test clip")
    func noTestPart() throws {
        let place = try Workplace(after: "extract")
        try place.add(
            "own.yaml", Workplace.pipeline.replacing("{root: clips}", with: "{root: clips/train, validation: 0.3}"))
        #expect(try place.run("extract", "own.yaml").status == 0)
        try place.run("sequence", "own.yaml", status: 0, error: "`dataset.test: 0.26`", "--folds 2")
        let tested = try place.run("sequence", "p.yaml")
        #expect(!tested.error.contains("dataset.test"))
    }
}
