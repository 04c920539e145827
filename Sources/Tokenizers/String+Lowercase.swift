import Foundation

extension String {
    /// Context-free lower case of each character, as in the `tokenizers` library.
    var lowercasedByCharacter: String { unicodeScalars.reduce(into: "") { $0 += $1.properties.lowercaseMapping } }

    /// Lower case with Unicode's full mapping, including a final sigma, as Python's `str.lower`.
    var fullyLowercased: String {
        let scalars = Array(unicodeScalars)
        var result = String.UnicodeScalarView()
        for (place, scalar) in scalars.enumerated() {
            if scalar == "\u{03A3}" {
                let before = scalars[..<place].last { !$0.properties.isCaseIgnorable }
                let after = scalars[(place + 1)...].first { !$0.properties.isCaseIgnorable }
                let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
                result.append(isFinal ? "\u{03C2}" : "\u{03C3}")
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return String(result)
    }
}
