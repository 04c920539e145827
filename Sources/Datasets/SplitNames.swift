import Escaping

enum SplitNames {
    // `eval` means test, as in speech corpora: a possible test set must not be used for model selection.
    private static let known: [String: Split] = [
        "train": .train, "training": .train, "validation": .validation, "val": .validation, "validate": .validation,
        "valid": .validation, "dev": .validation, "development": .validation, "test": .test, "testing": .test,
        "eval": .test, "evaluation": .test,
    ]
    /// Words beside the name of a split, as in `training set`.
    private static let fillers: Set<Substring> = ["set", "split", "data", "part", "subset"]
    /// Prefixes and suffixes of words, as in `mytrain` and `testlist`.
    private static let parts = ["train", "training", "validation", "valid", "test", "testing"]
    private static let otherWords: Set<Substring> = [
        "latest", "contest", "fastest", "greatest", "protest", "invalid", "strain", "constrain", "restrain",
    ]

    static func split(named name: String) -> Split? { known[name.lowercased()] }

    /// The split in a list's cell: `test`, `Training`, `val set`; nil if it is none.
    static func split(value: String) -> Split? {
        if let split = split(named: value) { return split }
        let name = value.lowercased()
        guard name.utf8.count < 40, !name.contains(where: \.isNumber) else { return nil }
        let words = name.split { " _-".contains($0) }
        let others = words.filter { !fillers.contains($0) }
        return words.count > 1 && others.count == 1 ? others.first.flatMap { known[String($0)] } : nil
    }

    /// The split in a name with other words, such as `kinetics400_val_list_videos`; nil if there is not exactly one.
    static func split(in name: String) -> Split? {
        let found = Set(words(name).compactMap { known[String($0)] })
        return found.count == 1 ? found.first : nil
    }

    /// The split that is a prefix or suffix of a word (`mytrain`, `testlist`); nil if there is not exactly one.
    static func split(insideWordsOf name: String) -> Split? {
        let found = words(name).filter { !otherWords.contains($0) }.flatMap { word in
            parts.filter { word.hasBytePrefix($0) || word.hasByteSuffix($0) }.compactMap { known[$0] }
        }
        return Set(found).count == 1 ? found.first : nil
    }

    private static func words(_ name: String) -> [Substring] { name.lowercased().split { !$0.isLetter } }
}
