import Foundation
import ONNXMessages

/// A SentencePiece model file, with the names of `sentencepiece_model.proto`.
struct SentencePieceFile: ProtobufMessage {
    enum Kind: Int32 { case normal = 1, unknown, control, userDefined, unused, byte }

    struct Piece: ProtobufMessage {
        var text = ""
        var score: Float = 0
        var kind = Kind.normal

        mutating func read(_ field: ProtobufField) throws {
            switch field.number {
            // Foundation would remove a byte-order mark that is a piece.
            case 1: text = String(decoding: try field.bytes(), as: UTF8.self)
            case 2: score = try field.float()
            case 3: kind = Kind(rawValue: try field.integer32()) ?? .normal
            default: break
            }
        }

        func write(to writer: inout ProtobufWriter) {}
    }

    struct Trainer: ProtobufMessage {
        /// 1 is unigram, 2 is byte-pair encoding.
        var modelType: Int32 = 1
        var byteFallback = false
        var unknown: Int32 = 0
        var end: Int32 = 2
        var padding: Int32 = -1

        mutating func read(_ field: ProtobufField) throws {
            switch field.number {
            case 3: modelType = try field.integer32()
            case 35: byteFallback = try field.integer() != 0
            case 40: unknown = try field.integer32()
            case 42: end = try field.integer32()
            case 43: padding = try field.integer32()
            default: break
            }
        }

        func write(to writer: inout ProtobufWriter) {}
    }

    struct Normalizer: ProtobufMessage {
        var map = Data()
        var addsPrefix = true
        var removesExtraSpaces = true
        var escapesSpaces = true

        mutating func read(_ field: ProtobufField) throws {
            switch field.number {
            case 2: map = try field.bytes()
            case 3: addsPrefix = try field.integer() != 0
            case 4: removesExtraSpaces = try field.integer() != 0
            case 5: escapesSpaces = try field.integer() != 0
            default: break
            }
        }

        func write(to writer: inout ProtobufWriter) {}
    }

    var pieces: [Piece] = []
    var trainer = Trainer()
    var normalizer = Normalizer()

    mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: pieces.append(try field.message())
        case 2: try field.merge(into: &trainer)
        case 3: try field.merge(into: &normalizer)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {}
}
