// Damages files and reads them: Fuzz TARGET COUNT FIRST-SEED FILE…; caches and runs are generated, not given.
// After a crash the file remains and its path is printed. Build it with --sanitize=address.
import Foundation
import Fuzzing

func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let arguments = CommandLine.arguments.dropFirst()
guard arguments.count > 2, let target = FuzzTarget(rawValue: arguments[1]), let count = Int(arguments[2]),
    let first = UInt64(arguments[3])
else {
    say("usage: Fuzz \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) COUNT FIRST-SEED [FILE…]")
    exit(64)
}
let folder = NSTemporaryDirectory() + "zoetrope-fuzz-\(target.rawValue)-\(ProcessInfo.processInfo.processIdentifier)"
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
let run = try FuzzRun(target, seeds: Array(arguments.dropFirst(3)), folder: folder)
guard target.makesItsFiles || !run.seeds.isEmpty else {
    say("none of the files can be read")
    exit(66)
}
say(
    "\(target.rawValue): \(count) cases from \(run.seeds.count) files; the case under way is \(run.casePath), "
        + "described in \(run.notePath)"
)
let begin = ContinuousClock.now
// A case that takes longer than this is a hang.
alarm(120)
try run.run(from: first, count: count) { seed in
    alarm(120)
    if (seed + 1 - first) % 1000 == 0 { say("\(target.rawValue): \(seed + 1 - first) cases") }
}
try? FileManager.default.removeItem(atPath: folder)
say("\(target.rawValue): \(count) cases, no crash, in \((ContinuousClock.now - begin) / .seconds(1)) s")
