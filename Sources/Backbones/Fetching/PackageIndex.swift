import Escaping
import Files
import Foundation

/// The package index that pip is configured to use, queried through its "simple" interface (PEP 503).
struct PackageIndex {
    /// URL of the index, ending in `/`.
    let address: String
    /// Maximum bytes of an index page.
    static let pageLimit = 8 << 20

    init(address: String) { self.address = address.hasByteSuffix("/") ? address : address + "/" }

    /// The index of `PIP_INDEX_URL`, otherwise of pip's configuration files, the user's before the system's, or nil.
    static func configured(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> PackageIndex? {
        if let address = environment["PIP_INDEX_URL"], !address.isEmpty { return PackageIndex(address: address) }
        let home = environment["HOME"] ?? ""
        let configuration = environment["XDG_CONFIG_HOME"] ?? home + "/.config"
        let files = [
            environment["PIP_CONFIG_FILE"], configuration + "/pip/pip.conf", home + "/.pip/pip.conf",
            "/etc/xdg/pip/pip.conf", "/etc/pip.conf",
        ]
        for case let file? in files {
            if let text = try? RegularFile.text(file, limit: 1 << 20), let address = indexAddress(in: text) {
                return PackageIndex(address: address)
            }
        }
        return nil
    }

    /// The `index-url` of a pip configuration file.
    static func indexAddress(in text: String) -> String? {
        var section = ""
        var found: String?
        for line in text.byteLines().map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasBytePrefix("[") {
                section = line
            } else if ["[global]", "[install]", "[download]"].contains(section),
                let separator = line.utf8.firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") })
            {
                let key = line[..<separator].trimmingCharacters(in: .whitespaces)
                let value = line[line.utf8.index(after: separator)...].trimmingCharacters(in: .whitespaces)
                if ["index-url", "index_url"].contains(key), !value.isEmpty { found = value }
            }
        }
        return found
    }

    /// Whether the index and its files may be fetched over http.
    var allowsHTTP: Bool { address.lowercased().hasBytePrefix("http://") }

    /// The page of a package, with its name normalised.
    func page(of package: String) -> String {
        let parts = package.lowercased().splitBytes {
            [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains($0)
        }
        return address + parts.joined(separator: "-") + "/"
    }

    /// The URL of a file that the page at `base` links to; links that state another SHA-256 than `digest` are skipped.
    static func link(to file: String, digest: String, in page: String, base: URL?) -> String? {
        // After splitting, every attribute value without quotes, spaces or brackets is a part.
        let breaks = Array("\"'<> \t\r\n".utf8)
        for part in page.splitBytes(where: breaks.contains) where part.utf8.count < 4096 && part.containsBytes(file) {
            let parts = part.replacingBytes("&amp;", with: "&").splitBytes("#", maxSplits: 1)
            guard let target = parts.first, let url = URL(string: String(target), relativeTo: base),
                url.lastPathComponent == file
            else { continue }
            let fragment = parts.count > 1 ? String(parts[1]) : ""
            if fragment.hasBytePrefix("sha256="), fragment != "sha256=" + digest { continue }
            return url.absoluteString
        }
        return nil
    }

    /// Looks up the URL of a package's file in the index. Throws `FetchError`.
    func find(_ file: String, of package: String, digest: String, patience: Int) throws -> String {
        let address = page(of: package)
        let transfer = CurlTransfer(
            address: address, allowsHTTP: allowsHTTP, maximum: Self.pageLimit, patience: patience)
        var body = Data()
        let outcome = try transfer.run(begin: { _ in true }, receive: { body.append(contentsOf: $0) })
        if outcome.isTooLarge { throw FetchError.tooLarge(address, limit: Self.pageLimit) }
        if outcome.code == 22, outcome.headers.status == 404 { throw FetchError.notInIndex(file, index: self.address) }
        guard outcome.code == 0 else { throw outcome.error(address) }
        let base = outcome.headers.address(from: address)
        let page = String(decoding: body, as: UTF8.self)
        guard let link = Self.link(to: file, digest: digest, in: page, base: base) else {
            throw FetchError.notInIndex(file, index: self.address)
        }
        return link
    }
}
