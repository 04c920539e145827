import Escaping
import FeatureCache

/// Which of a cache's recipes and data sets is meant.
public struct CacheSelection: Sendable {
    /// The recipe with its row.
    public let extraction: (id: Int64, record: ExtractionRecord)
    /// Name of the data set.
    public let dataset: String

    /// - `recipe`: its name, or its backbone's; nil where there is but one.
    /// - `dataset`: its name; nil where there is but one.
    /// - Throws: `ExplorationError`, `CacheError`.
    public init(_ cache: CacheFile, recipe: String?, dataset: String?) throws {
        let stored = try cache.extractions()
        let names = Set(stored.map(\.record.name)).sorted()
        if let recipe {
            guard let found = stored.first(where: { $0.record.name == recipe || $0.record.backbone == recipe }) else {
                throw ExplorationError.unknownRecipe(recipe, available: names)
            }
            extraction = found
        } else {
            guard let only = stored.first else { throw ExplorationError.unknownRecipe("", available: []) }
            guard stored.count == 1 else {
                throw ExplorationError.severalRecipes(stored.map { "\($0.record.name) (\($0.record.backbone))" })
            }
            extraction = only
        }
        let datasets = try cache.datasets()
        guard dataset != nil || datasets.count <= 1 else { throw ExplorationError.severalDatasets(datasets) }
        self.dataset = dataset ?? datasets.first ?? ""
    }

    /// Folder of the data set's videos, as far as the cache knows where files lay; nil where it does not.
    ///
    /// - Throws: `CacheError`.
    public func root(_ cache: CacheFile) throws -> String? {
        // Absolute paths of files that were hashed end with the path below the root.
        let known = try cache.knownFiles().keys
        let videos = try cache.videos(dataset: dataset).prefix(20).map(\.path)
        return videos.lazy.compactMap { path in
            known.first { $0.hasByteSuffix("/" + path) }
                .map { String(decoding: $0.utf8.dropLast(path.utf8.count + 1), as: UTF8.self) }
        }.first
    }
}
