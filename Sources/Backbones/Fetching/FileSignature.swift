import Escaping
import Files
import Foundation
import ONNXMessages

/// The format of a weight file or vocabulary by its extension, with checks of its first bytes.
enum FileSignature: String {
    case safetensors, pth, pt, bin, h5, onnx, whl
    /// A SentencePiece model (protobuf).
    case model
    /// The merges of a byte-pair encoding.
    case txt

    /// Number of leading bytes that `check` reads.
    static let length = 512
    /// Maximum header of a safetensors file, as in the reference implementation.
    static let longestHeader: UInt64 = 100_000_000

    /// The format of a file name; nil if no published file has its extension.
    init?(file: String) { self.init(rawValue: file.fileExtension.lowercased()) }

    var name: String {
        switch self {
        case .safetensors: "a safetensors file"
        case .pth, .pt, .bin: "a PyTorch file (zip or pickle)"
        case .h5: "an HDF5 file"
        case .onnx: "an ONNX file"
        case .whl: "a Python wheel (zip)"
        case .model: "a SentencePiece model"
        case .txt: "a list of merges"
        }
    }

    /// Checks whether a file of `bytes` bytes that begins with `start` can have this format.
    func check(_ start: [UInt8], bytes: Int, file: String) throws {
        // Text and protobuf can begin with almost anything, so other formats are ruled out first.
        let foreign = Self.foreign(start)?.found
        if self == .txt || self == .model, let foreign {
            throw FetchError.wrongContent(file, found: foreign, expected: name)
        }
        if !matches(start, bytes: bytes) {
            throw FetchError.wrongContent(file, found: foreign ?? "data in another format", expected: name)
        }
    }

    private func matches(_ start: [UInt8], bytes: Int) -> Bool {
        let isZip = start.starts(with: [0x50, 0x4B, 0x03, 0x04])
        switch self {
        case .safetensors:
            guard start.count > 8 else { return false }
            let header = start[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return header >= 2 && header <= Self.longestHeader && header + 8 <= UInt64(max(0, bytes))
                && start[8] == UInt8(ascii: "{")
        case .pth, .pt, .bin: return isZip || start.count > 1 && start[0] == 0x80 && (2...5).contains(start[1])
        case .h5: return start.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A])
        case .whl: return isZip
        case .onnx: return start.first == 0x08
        case .model: return start.first == 0x0A
        case .txt:
            return !start.isEmpty && start.allSatisfy { $0 >= 0x20 && $0 < 0xF8 || [0x09, 0x0A, 0x0D].contains($0) }
        }
    }

    /// The kind of a file that is neither HDF5 nor a tensor format, detected from its first bytes.
    static func foreignWeights(_ start: [UInt8]) -> (found: String, remedy: String)? {
        let known: [FileSignature] = [.safetensors, .pth, .h5]
        return known.contains { $0.matches(start, bytes: .max) } ? nil : foreign(start)
    }

    /// Common wrong downloads, such as HTML pages, with a remedy.
    static func foreign(_ start: [UInt8]) -> (found: String, remedy: String)? {
        let again = "Download the file itself, such as with `zoetrope weights fetch` or its publisher's download link"
        if start.isEmpty { return ("an empty file", again) }
        if start.starts(with: [0x1F, 0x8B]) {
            return ("gzip-compressed data", "Decompress it first: gunzip --keep FILE.gz, or tar -xzf FILE.tar.gz")
        }
        for (bytes, name, command) in archives where start.starts(with: bytes) {
            return (name, "Decompress it first: \(command)")
        }
        if start.count > 262, start[257..<262].elementsEqual("ustar".utf8) {
            return ("a tar archive", "Unpack it first: tar -xf FILE")
        }
        if start.starts(with: [0x93] + Array("NUMPY".utf8)) {
            return (
                "one array of NumPy without a name",
                "Save a dictionary of tensors: torch.save(model.state_dict(), \"state.pth\")"
            )
        }
        if start.starts(with: Array("GGUF".utf8)) {
            return ("a GGUF file of llama.cpp", "Use the model's .safetensors file")
        }
        return text(start).map { ($0, $0.hasBytePrefix("a Git LFS") ? "Fetch the file itself: git lfs pull" : again) }
    }

    private static let archives: [(bytes: [UInt8], name: String, command: String)] = [
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz-compressed data", "unxz --keep FILE.xz"),
        (Array("BZh".utf8), "bzip2-compressed data", "bunzip2 --keep FILE.bz2"),
        ([0x28, 0xB5, 0x2F, 0xFD], "zstd-compressed data", "unzstd FILE.zst"),
        ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive", "7z x FILE"),
    ]

    private static func text(_ start: [UInt8]) -> String? {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let rest = start.starts(with: byteOrderMark) ? start.dropFirst(3) : start[...]
        let text = String(decoding: rest.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }, as: UTF8.self).lowercased()
        if text.hasBytePrefix("version https://git-lfs") { return "a Git LFS pointer instead of the file" }
        if text.hasBytePrefix("<!doctype html") || text.containsBytes("<html") { return "an HTML page" }
        if text.hasBytePrefix("<") && !text.hasBytePrefix("<unk") { return "an XML or HTML document" }
        if text.hasBytePrefix("{") || text.hasBytePrefix("[{") || text.hasBytePrefix("[\"") { return "a JSON document" }
        return nil
    }
}

/// Checks for files without a published digest.
extension FileSignature {
    /// Parses the file as its format: the names and shapes of all tensors, the fields of a message, or the lines.
    func checkStructure(_ path: String, file: String) throws {
        func wrong(_ found: String) -> FetchError { .wrongContent(file, found: found, expected: name) }
        switch self {
        case .model, .onnx:
            guard let data = try? RegularFile.mapped(path), isProtobufMessage(data) else {
                throw wrong("not a protobuf message")
            }
        case .txt:
            guard let text = try? RegularFile.text(path, limit: PublishedWeights.vocabularyBytes.upperBound),
                Self.isMerges(text)
            else { throw wrong("text with lines that are not pairs of symbols") }
        case .safetensors, .pth, .pt, .bin, .h5, .whl:
            do {
                if try openWeights(path: path).shapes.isEmpty { throw wrong("a file without tensors") }
            } catch let error as FetchError {
                throw error
            } catch { throw wrong("a damaged file (\(error.localizedDescription))") }
        }
    }

    /// Whether each line is two symbols separated by a space; the first line may begin with `#`.
    static func isMerges(_ text: String) -> Bool {
        let lines = text.byteLines()
        let merges = lines.first?.hasBytePrefix("#") == true ? lines.dropFirst() : lines[...]
        return !merges.isEmpty && merges.allSatisfy { $0.isEmpty || $0.splitBytes(" ").count == 2 }
    }
}
