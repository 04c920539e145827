import ArgumentParser
import Escaping
import Foundation

@main
struct ZoetropeCommand: ParsableCommand {
    static let version = "1.3.0"

    static let configuration = CommandConfiguration(
        commandName: "zoetrope", abstract: "Train classifiers that recognise actions in videos.",
        discussion: """
            Two stages: `extract` decodes each video once, runs its frames through a frozen encoder and stores the \
            features in one SQLite file; `sequence` trains sequence classifiers on these features in seconds.

            Exit codes: 0 done, 1 failed or could not be printed, 2 bad configuration, 3 done but some videos failed \
            or training diverged, 64 bad usage, 130 interrupted.
            """, version: version,
        subcommands: [
            Extract.self, TrainSequence.self, FineTune.self, Sweep.self, LearningCurveCommand.self, Evaluate.self,
            Compare.self, Runs.self, Predict.self, Classify.self, ActivationMaps.self, Export.self, Cache.self,
            Dataset.self, Explore.self, Similar.self, Search.self, Describe.self, Weights.self, Demo.self,
        ])

    /// As ArgumentParser's own `main`, but arguments in messages are escaped for the terminal, and failed output gives
    /// a non-zero exit code.
    static func main() {
        StandardStreams.prepare()
        Foundation.exit(StandardStreams.exitCode(after: runCommand()))
    }

    private static func runCommand() -> Int32 {
        do {
            var command = try parseAsRoot()
            try command.run()
            return 0
        } catch {
            let (code, text) = (exitCode(for: error), fullMessage(for: error))
            if code.isSuccess {
                Console.print(help: text)
            } else if !text.isEmpty {
                Console.message(TerminalText(lines: escapingArguments(in: text)))
            }
            return code.rawValue
        }
    }

    /// A message with its quoted arguments on one line each.
    private static func escapingArguments(in text: String) -> String {
        let arguments = CommandLine.arguments.dropFirst().flatMap { argument in
            [argument] + argument.splitBytes("=", maxSplits: 1).dropFirst().map(String.init)
        }
        return arguments.filter(Escaping.hasControls).reduce(text) { text, argument in
            text.replacingBytes(argument, with: Escaping.visible(argument))
        }
    }
}
