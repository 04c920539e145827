import Digests
import Escaping
import Files

extension PublishedWeights {
    /// Compares a file with the digest of its publisher, or of the server it was downloaded from. Returns a description
    /// of the difference, or nil if they match or if no digest is known. Most weight formats have no checksum of their
    /// own. `sha256`: of the file, hex.
    package static func difference(path: String, sha256: String) -> String? {
        let name = path.fileName
        let published = all.first { $0.file == name }?.checksum
        let recorded = WeightsFetcher.recorded(path)
        for (checksum, owner) in [(published, "the published \(name)"), (recorded, "the file that was fetched")] {
            switch checksum {
            case .sha256(let digits)? where !sha256.hasBytePrefix(digits):
                return "its SHA-256 begins with \(sha256.prefix(digits.utf8.count)), that of \(owner) with \(digits)"
            case .md5(let digits)?:
                guard let found = try? Digest.file(path, .md5), found != digits else { continue }
                return "its MD5 is \(found), that of \(owner) is \(digits)"
            default: continue
            }
        }
        return nil
    }
}
