import Foundation
import Testing

/// Compares the table of modules in docs/architecture.md with Package.swift, and checks the sources' layout.
@Suite struct ArchitectureTests {
    /// A target of the package under Sources.
    private struct Target {
        let name: String
        let isC: Bool
        let dependencies: [String]
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func targets() throws -> [Target] {
        let text = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
        let beginnings = text.ranges(of: /\.(target|executableTarget|systemLibrary)\(\s*name: "/)
        let ends = beginnings.dropFirst().map(\.lowerBound) + [text.endIndex]
        let bodies = zip(beginnings, ends).map { text[$0.upperBound..<$1] }.filter { !$0.contains(/path: "Tests\//) }
        let names = bodies.map { String($0.prefix { $0 != "\"" }) }
        return zip(names, bodies).map { name, body in
            let list = body.firstMatch(of: /dependencies: \[([^\]]*)\]/)?.1 ?? ""
            let named = list.matches(of: /"(\w+)"/).map { String($0.1) }
            return Target(
                name: name, isC: name.wholeMatch(of: /C[A-Z].*/) != nil, dependencies: named.filter(names.contains))
        }
    }

    private static func rows() throws -> [(name: String, libraries: [String])] {
        let guide = try String(contentsOf: root.appending(path: "docs/architecture.md"), encoding: .utf8)
        let table = try #require(guide.components(separatedBy: "| module | content | C libraries |").last)
        return table.split(separator: "\n").dropFirst().prefix { $0.hasPrefix("| `") }.map { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return (
                cells[0].trimmingCharacters(in: ["`"]),
                cells.count > 2 ? cells[2].components(separatedBy: ", ").filter { !$0.isEmpty } : []
            )
        }
    }

    @Test("the guide lists all modules in the order of the package, with their C libraries") func guide() throws {
        let targets = try Self.targets()
        let rows = try Self.rows()
        let known = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0) })
        #expect(rows.map(\.name) == targets.filter { !$0.isC }.map(\.name))
        #expect(rows.count > 20)
        for row in rows {
            let used = known[row.name]?.dependencies.filter { known[$0]?.isC == true }
            #expect(Set(row.libraries) == Set(used ?? []), "\(row.name)")
        }
    }

    @Test("each module builds on modules above it only") func order() throws {
        var above: Set<String> = []
        for target in try Self.targets() where !target.isC {
            let own = target.dependencies.filter { $0.wholeMatch(of: /C[A-Z].*/) == nil }
            #expect(above.isSuperset(of: own), "\(target.name) builds on \(own.filter { !above.contains($0) })")
            above.insert(target.name)
        }
        #expect(above.contains("zoetrope"))
    }

    /// The formatter does not break string literals, nor lines of C.
    @Test("no line is longer than 120 characters") func lines() throws {
        var count = 0
        for folder in ["Sources", "Tests"] {
            let files = FileManager.default.enumerator(atPath: Self.root.path + "/" + folder)
            while let file = files?.nextObject() as? String {
                guard [".swift", ".c", ".h"].contains(where: file.hasSuffix) else { continue }
                count += 1
                let text = try String(contentsOf: Self.root.appending(path: folder + "/" + file), encoding: .utf8)
                let long = text.split(separator: "\n").filter { $0.count > 120 }
                #expect(long.isEmpty, "\(folder)/\(file): \(long)")
            }
        }
        #expect(count > 500)
    }
}
