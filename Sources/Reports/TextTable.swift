import Escaping
import Foundation
import NeuralNetwork
import SequenceModels

/// A text table with aligned columns, for the terminal.
package struct TextTable: Sendable {
    package enum Alignment: Sendable { case left, right }

    let alignments: [Alignment]
    private(set) var rows: [[String]]

    package init(_ columns: [(heading: String, alignment: Alignment)]) {
        alignments = columns.map(\.alignment)
        rows = [columns.map(\.heading)]
    }

    /// - Precondition: every row has as many cells as there are columns.
    package init(_ columns: [(heading: String, alignment: Alignment)], rows: [[String]]) {
        self.init(columns)
        for row in rows { append(row) }
    }

    /// - Precondition: as many cells as columns.
    package mutating func append(_ row: [String]) { rows.append(row) }

    /// The cells with control characters escaped, each on one line.
    private var shown: [[String]] { rows.map { $0.map { Escaping.visible($0) } } }

    /// The table, each line indented by two spaces.
    package var text: String {
        let rows = shown
        let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return alignments[column] == .left ? cell + padding : padding + cell
            }
            let line = "  " + cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}

/// `1234567` → `1,234,567`.
package func grouped(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    let text = digits.enumerated().map { index, digit in
        (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digit)
    }
    return (number < 0 ? "-" : "") + text.joined()
}

/// A number with a fixed number of decimals.
package func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : (value < 0 ? "-∞" : "∞") }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let rounded = (abs(value) * scale).rounded()
    guard rounded < 1e15 else { return "\(value)" }
    let (whole, rest) = (Int(rounded) / Int(scale), Int(rounded) % Int(scale))
    let sign = value < 0 && rounded > 0 ? "-" : ""
    let fraction = String(rest)
    return places == 0
        ? "\(sign)\(whole)" : "\(sign)\(whole).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
}

/// A fraction as a percentage with one decimal.
package func percent(_ share: Double) -> String { share.isFinite ? decimal(100 * share, 1) + " %" : "–" }

/// A range of fractions, such as `81.2 % to 90.4 %`.
package func percent(_ interval: Statistics.Interval) -> String {
    "\(percent(interval.lower)) to \(percent(interval.upper))"
}

/// A number with its noun, such as `1 run` or `1,200 classes`. `plural`: the noun with an "s" if nil.
package func counted(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
}

/// JSON output of all commands: indented, keys sorted, non-finite numbers as `"nan"`, `"inf"`, `"-inf"`.
package enum JSONText {
    /// `keys`: the key encoding. Throws `EncodingError`.
    package static func of(
        _ value: some Encodable, keys: JSONEncoder.KeyEncodingStrategy = .useDefaultKeys
    ) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = keys
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

extension Graph {
    /// Every node with its output shape, parameters and multiply-adds, and the totals.
    package var layerTable: String {
        var table = TextTable([
            ("layer", .left), ("operation", .left), ("output", .right), ("parameters", .right),
            ("multiply-adds", .right),
        ])
        for node in nodes {
            let (parameters, adds) = (parameterCount(of: node), multiplyAdds(of: node))
            table.append([
                node.name, node.operation.name, node.shape.description, parameters > 0 ? grouped(parameters) : "",
                adds > 0 ? grouped(adds) : "",
            ])
        }
        table.append(["total", "", "", grouped(parameterCount), grouped(multiplyAdds)])
        return table.text
    }
}
