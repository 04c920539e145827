import Foundation
import ONNXMessages

/// A SentencePiece model file, with the names of `sentencepiece_model.proto`.
struct SentencePieceFile: ProtobufMessage {
    enum Kind: Int32 { case normal = 1, unknown, control, userDefined, unused, byte }

    struct Piece: ProtobufMessage {
        private var bytes = Data()
        var score: Float = 0
        var kind = Kind.normal

        /// Decoded from bytes, because Foundation would remove a byte-order mark that is a piece.
        var text: String { String(decoding: bytes, as: UTF8.self) }

        mutating func code(_ fields: inout ProtobufFields) {
            fields(1, &bytes)
            fields(2, &score)
            fields(3, &kind, unknown: .normal)
        }
    }

    struct Trainer: ProtobufMessage {
        /// 1 is unigram, 2 is byte-pair encoding.
        var modelType: Int32 = 1
        var byteFallback = false, unknown: Int32 = 0, end: Int32 = 2, padding: Int32 = -1

        mutating func code(_ fields: inout ProtobufFields) {
            fields(3, &modelType)
            fields(35, &byteFallback)
            fields(40, &unknown)
            fields(42, &end)
            fields(43, &padding)
        }
    }

    struct Normalizer: ProtobufMessage {
        var map = Data()
        var addsPrefix = true, removesExtraSpaces = true, escapesSpaces = true

        mutating func code(_ fields: inout ProtobufFields) {
            fields(2, &map)
            fields(3, &addsPrefix)
            fields(4, &removesExtraSpaces)
            fields(5, &escapesSpaces)
        }
    }

    var pieces: [Piece] = []
    var trainer = Trainer()
    var normalizer = Normalizer()

    mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &pieces)
        fields(2, &trainer)
        fields(3, &normalizer)
    }
}
