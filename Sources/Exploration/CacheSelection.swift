import Escaping
import FeatureCache

package struct CacheSelection: Sendable {
    package let extraction: StoredExtraction
    package let dataset: String

    /// `recipe`: its name, its backbone's, or a prefix of its digest; nil if only one has features. `dataset`: its
    /// name; nil if there is only one. Throws `ExplorationError`, `CacheError`.
    package init(_ cache: CacheFile, recipe: String?, dataset: String?) throws {
        let stored = try cache.extractions()
        let names = Set(stored.map(\.record.name)).sorted()
        let called = recipe.map { recipe in stored.filter { Self.matches($0.record, recipe: recipe) } } ?? stored
        // Recipes that fine-tuning registered, or whose extraction failed, have no features.
        let counts = try cache.sequenceCounts()
        let filled = called.filter { counts[$0.id] ?? 0 > 0 }
        let meant = filled.isEmpty ? called : filled
        guard let found = meant.first else {
            throw ExplorationError.unknownRecipe(recipe ?? "", available: stored.isEmpty ? [] : names)
        }
        guard meant.count == 1 else {
            throw ExplorationError.severalRecipes(
                meant.map { "\($0.record.name) (\($0.record.backbone)) \($0.record.digest.prefix(12))" })
        }
        extraction = found
        let datasets = try cache.datasets()
        guard dataset != nil || datasets.count <= 1 else { throw ExplorationError.severalDatasets(datasets) }
        self.dataset = dataset ?? datasets.first ?? ""
    }

    private static func matches(_ record: ExtractionRecord, recipe: String) -> Bool {
        record.name == recipe || record.backbone == recipe
            || recipe.utf8.count >= 6 && record.digest.hasBytePrefix(recipe)
    }

    /// Folder of the data set's videos, inferred from the absolute paths in the cache; nil if unknown.
    package func root(_ cache: CacheFile) throws -> String? {
        // Absolute paths of hashed files end with the path relative to the root.
        let known = try cache.knownFiles().keys
        let videos = try cache.videos(dataset: dataset).prefix(20).map(\.path)
        return videos.lazy.compactMap { path in
            known.first { $0.hasByteSuffix("/" + path) }
                .map { String(decoding: $0.utf8.dropLast(path.utf8.count + 1), as: UTF8.self) }
        }.first
    }
}
